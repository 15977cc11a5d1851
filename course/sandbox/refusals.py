"""How the Hub words a refusal."""

from starlette.responses import JSONResponse

from course.sandbox.permissions import Refusal


def refused(refusal: Refusal) -> JSONResponse:
    """A refusal as the Hub words it: the message in the body and in X-Error-Message, its kind in X-Error-Code.

    Source: the headers that huggingface_hub 2.4.0 reads in utils/_http.py. The library takes a bare 401 for "repository
    not found" only on https addresses, so this server has to send the code where the real one may leave it out.
    """
    headers = {"X-Error-Message": refusal.message}
    if refusal.code is not None:
        headers["X-Error-Code"] = refusal.code
    return JSONResponse({"error": refusal.message}, refusal.status, headers)
