"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("drawn");

  /** An element. All text goes through here, and only ever becomes text nodes. */
  function make(tag, content = "", className = "") {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (content !== "") element.textContent = content;
    return element;
  }

  /** A line of several texts, of which none turns the direction of what stands beside it. */
  function line(tag, parts, className = "") {
    const element = make(tag, "", className);
    parts.forEach((part, index) => element.append(index ? " \u00b7 " : "", part instanceof Node ? part : make("bdi", part)));
    return element;
  }

  const count = (n) => n.toLocaleString("en");
  const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

  for (const section of document.querySelectorAll("main > section")) {
    const empty = section.id === "changed" ? !data.rows.length
      : ["table", "price", "differences", "tuning"].includes(section.id) && !section.querySelector("svg, table");
    section.hidden = empty;
    if (empty) document.querySelector(`nav a[href="#${section.id}"]`).remove();
  }

  // -- sorting the tables --------------------------------------------------------------------

  for (const table of document.querySelectorAll("table.grid")) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      head.addEventListener("click", () => sort(head, column));
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(head, column); });
    });

    /** The largest first; the row's own number, in the first column, from 1. What has no value comes last. */
    function sort(head, column) {
      const rising = head.ariaSort ? head.ariaSort === "descending" : column === 0;
      for (const each of heads) each.ariaSort = null;
      head.ariaSort = rising ? "ascending" : "descending";
      const value = (row) => row.cells[column].dataset.v;
      const rows = [...body.rows].sort((one, other) => {
        const [a, b] = [value(one), value(other)];
        if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
        return rising ? a - b : b - a;
      });
      body.append(...rows);
    }
  }

  // -- what changed --------------------------------------------------------------------------

  const AT_ONCE = 8;
  const row = byId("row"), task = byId("task"), kind = byId("kind"), items = byId("items"), more = byId("more");
  let waiting = []; // what is drawn when more is asked for

  function option(value, text) {
    const element = make("option", text);
    element.value = value;
    return element;
  }

  const signed = ({ gained, lost }) => `+${count(gained)} \u2212${count(lost)}`;

  row.append(...data.rows.map(({ place, name }) => option(place, `${place} ${name}`)));

  function choose(place) {
    row.value = place;
    const { tasks } = data.rows.find((each) => each.place === place);
    task.replaceChildren(...(tasks.length > 1 ? [option("", "all tasks")] : []),
      ...tasks.map((each, index) => option(index, `${each.task} (${signed(each)})`)));
    kind.value = "";
    draw();
  }

  function draw() {
    const chosen = data.rows.find(({ place }) => place === Number(row.value));
    const tasks = task.value === "" ? chosen.tasks : [chosen.tasks[Number(task.value)]];
    const wanted = (entry) => !kind.value || kindOf(entry) === kind.value;
    waiting = tasks.flatMap((each) => each.shown.filter(wanted).map((entry) => [chosen, each.task, entry]));
    const total = tasks.reduce((sum, each) => sum + (kind.value ? each[kind.value] : each.gained + each.lost), 0);
    byId("count").textContent = !total ? "none"
      : total > waiting.length ? `${count(waiting.length)} of ${count(total)} are on this page` : `${count(total)} in all`;
    items.replaceChildren();
    drawMore();
  }

  function drawMore() {
    for (const each of waiting.splice(0, AT_ONCE)) {
      const element = card(...each), prompt = element.querySelector(".prompt");
      items.append(element);
      prompt.scrollTop = prompt.scrollHeight; // the question is its end
    }
    more.hidden = !waiting.length;
    more.textContent = `Show ${count(Math.min(AT_ONCE, waiting.length))} more`;
  }

  const kindOf = ({ mine, theirs }) => data.texts[mine].score > data.texts[theirs].score ? "gained" : "lost";

  function card({ name, against }, taskName, entry) {
    const what = kindOf(entry), mine = data.texts[entry.mine], theirs = data.texts[entry.theirs];
    const element = make("div", "", `item ${what}`), pair = make("div", "", "pair");
    const head = [make("b", what), taskName, `item ${entry.item}`, `repeat ${entry.repeat + 1}`, `seed ${entry.seed}`];
    if (entry.trace) {
      const link = make("a", "trace");
      link.href = entry.trace;
      head.push(link);
    }
    pair.append(article(against, theirs), article(name, mine, theirs.text));
    element.append(line("h3", head), make("p", data.prompts[entry.prompt], "prompt"), pair);
    return element;
  }

  function article(name, text, other = null) {
    const element = make("article"), shown = make("p", "", "text");
    const same = other === null ? 0 : shared(text.text, other);
    if (same) shown.append(make("span", text.text.slice(0, same), "shared"));
    if (text.text.length > same) shown.append(make("span", text.text.slice(same)));
    if (!text.text) shown.append(make("span", "(nothing)", "empty"));
    const said = [
      `score ${Number(text.score.toFixed(3))}`, text.answer === null ? "no answer" : `answer ${text.answer}`,
      `${plural(text.drawn, "token")} drawn, ${count(text.kept)} kept`, plural(text.rollbacks, "rollback"),
      ...(text.reason ? [`ended by ${text.reason}`] : []),
    ];
    element.append(make("h4", name), shown, line("p", said, "said"));
    if (text.error) element.append(line("p", [`failed: ${text.error}`], "said failed"));
    if (text.back.length) element.append(takenBack(text));
    return element;
  }

  function takenBack({ back, more: others }) {
    const list = make("ul", "", "back");
    for (const [place, text, why] of back) {
      const element = make("li", `after ${plural(place, "token")}: `);
      element.append(make("del", text.replaceAll("\n", "\u21b5")), why ? " \u2014 " : "", make("bdi", why));
      list.append(element);
    }
    if (others) list.append(make("li", `and ${count(others)} more`));
    return list;
  }

  /** How many characters at the beginning are the same; no half of a pair. */
  function shared(text, other) {
    let same = 0;
    while (same < text.length && text[same] === other[same]) same++;
    return same && same < text.length && /[\ud800-\udbff]/.test(text[same - 1]) ? same - 1 : same;
  }

  // -- which row -----------------------------------------------------------------------------

  function follow() {
    const found = /^#changed-(\d+)$/.exec(location.hash);
    if (!found || !data.rows.some(({ place }) => place === Number(found[1]))) return;
    choose(Number(found[1]));
    byId("changed").scrollIntoView();
  }

  if (data.rows.length) {
    row.addEventListener("change", () => choose(Number(row.value)));
    task.addEventListener("change", draw);
    kind.addEventListener("change", draw);
    more.addEventListener("click", drawMore);
    addEventListener("hashchange", follow);
    const most = ({ tasks }) => tasks.reduce((sum, { gained, lost }) => sum + gained + lost, 0);
    choose(data.rows.reduce((best, each) => most(each) > most(best) ? each : best).place);
    follow();
  }
})();
