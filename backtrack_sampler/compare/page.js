"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const FOUND = 1, SHARED = 2;

  /** An element. All text goes through here, and only ever becomes text nodes. */
  function make(tag, content = "", className = "") {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (content !== "") element.textContent = content;
    return element;
  }

  byId("facts").textContent = data.facts;
  byId("notes").textContent = data.notes;
  document.querySelector(".small").hidden = data.prompts.length === 0;

  // -- the table -----------------------------------------------------------------------------

  const head = make("tr");
  head.append(make("th"), ...data.contenders.map((name) => make("th", name)));
  const body = make("tbody");
  for (const [label, cells, spans] of data.lines) {
    const row = make("tr");
    row.append(make("th", label));
    cells.forEach((cell, index) => {
      const element = make("td", cell);
      if (spans[index]) element.append(make("small", `\u0394 ${spans[index]}`));
      row.append(element);
    });
    body.append(row);
  }
  document.querySelector("table").append(make("thead"), body);
  document.querySelector("thead").append(head);

  // -- the texts -----------------------------------------------------------------------------

  const articles = data.contenders.map(() => []);

  function article({ by, parts, said }) {
    const element = make("article");
    const text = make("p", "", "text");
    for (const [what, characters] of parts) {
      const tag = what & FOUND ? "mark" : "span";
      text.append(make(tag, characters, what & SHARED ? "shared" : ""));
    }
    if (!parts.length) text.append(make("span", "(nothing)", "empty"));
    element.append(make("h4", data.contenders[by]), text);
    element.append(make("p", said, said.startsWith("failed") ? "said failed" : "said"));
    articles[by].push(element);
    return element;
  }

  for (const { prompt, seeds } of data.prompts) {
    const section = make("section", "", "prompt");
    section.append(make("h2", prompt));
    for (const { seed, texts } of seeds) {
      const row = make("div", "", "row");
      row.append(...texts.map(article));
      section.append(make("h3", `seed ${seed}`), row);
    }
    document.querySelector("main").append(section);
  }

  // -- whose texts ---------------------------------------------------------------------------

  data.contenders.forEach((name, index) => {
    const label = make("label"), box = make("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      for (const element of articles[index]) element.hidden = !box.checked;
    });
    label.append(box, name);
    byId("bar").append(label);
  });
})();
