// The one script of these pages. Without it everything works, and the value is copied by hand.
const value = document.getElementById("value");
const button = document.getElementById("copy");
const said = document.getElementById("copied");

button.hidden = false;
button.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(value.textContent);
    said.textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(value);
    said.textContent = "The browser does not let this page copy. The value is selected: press Ctrl+C or Command+C.";
  }
});

// A browser may keep this page for its Back button, and would show the value a second time.
addEventListener("pagehide", () => {
  value.textContent = "shown once";
  button.hidden = true;
});
