// Without this script the page shows what was seen when it was loaded.
const said = document.getElementById("live");
const news = new EventSource("/_sandbox/traffic/news");

news.addEventListener("open", () => { said.textContent = "New ones appear by themselves."; });
news.addEventListener("error", () => { said.textContent = "The sandbox has stopped, or started anew elsewhere."; });
news.addEventListener("message", async () => {
  const answer = await fetch("/_sandbox/traffic");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("traffic").replaceChildren(...page.getElementById("traffic").childNodes);
});
