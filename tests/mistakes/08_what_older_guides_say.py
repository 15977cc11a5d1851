# Answers to the exercise of 08_what_older_guides_say, in the form that tests/mistakes/01_account_setup.py explains.

# %% 08-1 wrong: finds-too-much
# -        if any(sign.lower() in line for sign in claim.get("signs", ()))
# +        if all(sign.lower() in line for sign in claim.get("signs", ()))

# %% 08-1 wrong: wrong-place
# -start=1
# +start=0

# %% 08-1 wrong: wrong-place
def outdated(text, claims, today):
    lines = [line.lower() for line in text.split("\n") if line]
    return [
        Finding(number, claim["id"], today - claim["date"] > timedelta(days=365))
        for number, line in enumerate(lines, start=1)
        for claim in claims
        if any(sign.lower() in line for sign in claim.get("signs", ()))
    ]


# %% 08-1 wrong: minds-capitals
# -text.lower().splitlines()
# +text.splitlines()

# %% 08-1 wrong: minds-capitals
# -any(sign.lower()
# +any(sign

# %% 08-1 wrong: another-order
# -        for number, line in enumerate(text.lower().splitlines(), start=1)
# -        for claim in claims
# +        for claim in claims
# +        for number, line in enumerate(text.lower().splitlines(), start=1)

# %% 08-1 wrong: found-twice
# -        if any(sign.lower() in line for sign in claim.get("signs", ()))
# +        for sign in claim.get("signs", ())
# +        if sign.lower() in line

# %% 08-1 wrong: wrong-age
# -today - claim["date"] > timedelta(days=365)
# +date(2026, 11, 24) - claim["date"] > timedelta(days=365)

# %% 08-1 wrong: wrong-age
# -> timedelta
# +>= timedelta

# %% 08-1 right: with loops
def outdated(text, claims, today):
    findings = []
    for number, line in enumerate(text.splitlines(), start=1):
        for claim in claims:
            signs = [sign.casefold() for sign in claim.get("signs") or []]
            if [sign for sign in signs if line.casefold().count(sign)]:
                findings.append(Finding(line=number, claim=claim["id"], look_again=(today - claim["date"]).days > 365))
    return findings
