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
  label.append(field);
  section.querySelector("h2").after(label);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const sample of samples) {
      const name = sample.querySelector("h3");
      sample.hidden = name !== null && !name.textContent.toLowerCase().includes(wanted);
    }
  });
}
