"use strict";
// On paper, what is folded is shown.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.open = true; }));
// A field that finds classes, where there are many.
const section = document.getElementById("samples");
const samples = section ? [...section.querySelectorAll(".sample")] : [];
if (samples.length > 8) {
  const label = document.createElement("label");
  label.className = "find";
  label.textContent = "Find a class ";
  const field = document.createElement("input");
  field.type = "search";
  const none = document.createElement("output");
  label.append(field, none);
  section.querySelector("p").after(label);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let found = 0;
    for (const sample of samples) {
      const name = sample.querySelector("h3");
      sample.hidden = name !== null && !name.textContent.toLowerCase().includes(wanted);
      found += sample.hidden ? 0 : 1;
    }
    none.textContent = found > 0 ? "" : " None of those shown";
  });
}
