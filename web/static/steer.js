// What a person does to the run that goes on: buttons are enabled while the master allows them.
import {element} from "./units.js";
import {post} from "./post.js";

const at = id => document.getElementById(id), buttons = [...document.querySelectorAll("#acts button")];
const WORDS = {hold: "Held: this rung stays until it is released.", release: "Released.", up: "On to the next rung.", down: "Back to the rung before.", skip: "Skipped.", stop: "Stopping: what was measured is being written.", mark: "Marked."};

document.addEventListener("state", ({detail: state}) => {
  const focused = document.activeElement;
  for (const button of buttons) {
    const what = button.dataset.what, allowed = state.allowed.includes(what);
    // The two halves of one switch: the one that cannot be used is not shown.
    if (what === "hold" || what === "release") {
      button.hidden = what === "hold" ? state.held && state.allowed.includes("release") : !state.allowed.includes("release");
      if (button.hidden && button === focused) buttons.find(other => other.dataset.what === (what === "hold" ? "release" : "hold")).focus();
    }
    button.setAttribute("aria-disabled", String(!allowed));
    button.disabled = !allowed && button !== focused;  // a focused button keeps its place in the keyboard's order
  }
  const lines = state.actions.map(act => `${act.at.slice(11, 19)} UTC: ${act.what}${act.note ? `, ${act.note}` : ""}${act.step ? ` (${act.step})` : ""}`).reverse();
  if (at("actions").dataset.lines !== JSON.stringify(lines)) {
    at("actions").dataset.lines = JSON.stringify(lines);
    at("actions").replaceChildren(...lines.map(line => element("li", line)));
  }
});

async function act(what, note = "") {
  try {
    const {text} = await post("do", {what, note});
    at("said").textContent = text ? `Not done: ${text}.` : WORDS[what];
    return !text;
  } catch (error) { at("said").textContent = `Not done: ${error.message}`; return false; }
}

for (const button of buttons) if (button.dataset.what !== "mark") button.addEventListener("click", () => act(button.dataset.what));
at("mark").addEventListener("submit", async event => {
  event.preventDefault();
  if (await act("mark", at("note").value)) at("note").value = "";
});
