"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const text = byId("text"), card = byId("card"), timeline = byId("timeline");
  const BINS = [0.5, 0.2, 0.05, 0.01, 0];
  const DEEPEST = 40; // "unfold all" goes so deep: no browser likes thousands of nested boxes
  const BACK = "\u21ba";

  // -- small helpers -------------------------------------------------------------------------

  /** An element. All text goes through here or `write`, and only ever becomes text nodes. */
  function make(tag, className = "", content = "") {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (content !== "") element.textContent = content;
    return element;
  }

  const count = (n) => n.toLocaleString("en");
  const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

  function percent(share) {
    const p = share * 100;
    if (p > 0 && p < 0.1) return "<0.1%";
    return `${p >= 99.95 ? 100 : p.toFixed(p < 10 || p > 99 ? 1 : 0)}%`;
  }

  /** What is no ordinary text: controls, half surrogates, marks that turn the writing direction. */
  const ODD = /[\p{Cc}\p{Cs}\u061c\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

  function picture(character) {
    const code = character.codePointAt(0);
    if (character === "\n") return "\u21b5";
    if (character === "\t") return "\u21e5";
    if (character === "\r") return "\\r";
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  }

  /** Write text as it is; odd characters stay in it, and a picture is shown for them. */
  function write(element, string, oneLine) {
    if (!ODD.test(string)) {
      element.append(string);
      return;
    }
    let plain = "";
    for (const character of string) {
      const isSpace = character === "\n" || character === "\t";
      if (!ODD.test(character) || (isSpace && !oneLine)) {
        plain += character;
        continue;
      }
      const odd = make("span", "c", character);
      odd.dataset.c = picture(character);
      element.append(plain, odd);
      plain = "";
    }
    element.append(plain);
  }

  /** Text for a card: one line, spaces visible, not too long. */
  function shown(string, longest = 48) {
    const characters = Array.from(string);
    const cut = characters.slice(0, longest).map((c) => (c === " " ? "\u2423" : ODD.test(c) ? picture(c) : c));
    return cut.join("") + (characters.length > longest ? "\u2026" : "");
  }

  // -- the stream once more ------------------------------------------------------------------

  const drawn = []; // {index, token, share, text, alternatives, position, attempt, element}
  let path = []; // what stands
  let before = [[]]; // before[i]: what was taken back at position i, oldest first

  /** The end of the path becomes an attempt, with the attempts inside it. */
  function takeBack(position, who, why, kind) {
    const attempt = { who, why, kind, at: position, items: path.slice(position), parent: null };
    attempt.before = [[], ...before.slice(position + 1)];
    for (const item of attempt.items) item.attempt = attempt;
    for (const inner of attempt.before.flat()) inner.parent = attempt;
    path.length = position;
    before.length = position + 1;
    before[position].push(attempt);
    return attempt;
  }

  for (const entry of data.log) {
    if (!Array.isArray(entry)) {
      takeBack(entry.at, entry.who, entry.why, entry.stop ? "stop" : "");
      continue;
    }
    const [token, share, own] = entry, alternatives = [];
    for (let i = 3; i < entry.length; i += 2) alternatives.push([entry[i], entry[i + 1]]);
    const piece = data.tokens[token][1];
    const item = { index: drawn.length, token, share, text: own === 0 ? piece : own, alternatives };
    Object.assign(item, { position: path.length, attempt: null, element: null });
    item.waits = item.text === "" && piece !== "";
    drawn.push(item);
    path.push(item);
    before.push([]);
  }
  const length = Math.max(1, ...drawn.map((item) => item.position + 1));
  if (path.length > data.emitted) takeBack(data.emitted, "", "the stream was broken off before they were streamed", "held");

  // -- drawing -------------------------------------------------------------------------------

  const bin = (share) => BINS.findIndex((least) => share >= least);
  const label = (token) => {
    const [id, piece, ends] = data.tokens[token];
    return piece === "" ? (ends ? "end of text" : `special token ${id}`) : shown(piece);
  };

  function tokenElement(item, isGone) {
    const element = make("span", `t p${bin(item.share)}`);
    if (item.text === "") {
      element.classList.add("mark");
      element.dataset.label = data.tokens[item.token][2] ? "end" : "special";
    } else if (!isGone && /^ *\n+$/.test(item.text)) element.classList.add("nl");
    write(element, item.text, isGone);
    element.item = item;
    item.element = element;
    return element;
  }

  const size = (attempts) => attempts.reduce((sum, attempt) => sum + attempt.items.length, 0);

  function chipElement(attempts, depth) {
    const [{ kind }] = attempts;
    const element = make("span", kind ? "chip end" : "chip");
    const tokens = size(attempts);
    let name = `${BACK} ${attempts.length > 1 ? plural(attempts.length, "attempt") : plural(tokens, "token")}`;
    if (kind) name = kind === "stop" ? "stop string" : `${plural(tokens, "token")} held`;
    element.dataset.label = name;
    element.setAttribute("role", "button");
    element.setAttribute("aria-expanded", "false");
    const told = kind ? name : `${plural(attempts.length, "attempt")}, ${plural(tokens, "token")} taken back`;
    element.setAttribute("aria-label", told);
    element.attempts = attempts;
    element.depth = depth;
    for (const attempt of attempts) attempt.chip = element;
    return element;
  }

  /** Tokens, and before each the chips of what was taken back there. */
  function draw(into, items, attempts, isGone, depth) {
    for (let i = 0; i <= items.length; i++) {
      const here = attempts[i];
      if (i === items.length && !isGone && data.rest) into.append(restElement());
      const ordinary = here.filter((attempt) => !attempt.kind);
      if (ordinary.length) into.append(chipElement(ordinary, depth));
      for (const attempt of here) if (attempt.kind) into.append(chipElement([attempt], depth));
      if (i < items.length && !items[i].waits) into.append(tokenElement(items[i], isGone));
    }
  }

  /** What no token stands for alone: before a stop string, or of a character never completed. */
  function restElement() {
    const element = make("span", "rest");
    write(element, data.rest);
    return element;
  }

  const many = new Set(data.whom.map(([who]) => who)).size > 1;
  const reason = ({ who, why, kind }) => (kind === "held" ? why : many && why ? `${who}: ${why}` : why || who);

  function attemptElement(attempt, depth) {
    const element = make("span", attempt.kind === "held" ? "gone end" : "gone");
    element.dataset.why = reason(attempt);
    draw(element, attempt.items, attempt.before, true, depth);
    return element;
  }

  /** Show or hide what was taken back; `quiet` leaves the reason of a single attempt to its card. */
  function unfold(chip, open, quiet = false) {
    chip.setAttribute("aria-expanded", open);
    if (open && !chip.box) {
      const parts = chip.attempts.map((attempt) => attemptElement(attempt, chip.depth + 1));
      chip.box = parts[0];
      if (parts.length > 1) {
        chip.box = make("span", "attempts");
        chip.box.append(...parts);
      }
      chip.after(chip.box);
    }
    if (!chip.box) return;
    chip.box.hidden = !open;
    chip.box.classList.toggle("quiet", quiet);
  }

  let allOpen = false;
  function unfoldAll(open) {
    allOpen = open;
    byId("all").textContent = open ? "Fold all" : "Unfold all";
    let chips = text.querySelectorAll(".chip");
    while (chips.length) {
      const inside = [];
      for (const chip of chips) {
        if (open && chip.depth >= DEEPEST) continue;
        const isNew = open && !chip.box;
        unfold(chip, open, true);
        if (isNew) inside.push(...chip.box.querySelectorAll(".chip"));
      }
      chips = inside;
    }
  }

  // -- the card ------------------------------------------------------------------------------

  function bar(name, share, className) {
    const row = make("div", `row ${className}`), line = make("span"), fill = make("b");
    fill.style.width = `${Math.min(100, share * 100)}%`;
    line.append(fill);
    row.append(make("span", "text", name), line, make("span", "", percent(share)));
    return row;
  }

  function tokenCard(item) {
    const head = make("div", "head");
    head.append(make("span", "text", label(item.token)), make("span", "", percent(item.share)));
    const rows = item.alternatives.slice().sort((a, b) => b[1] - a[1]);
    if (rows.length && !rows.some(([token]) => token === item.token)) rows.push([item.token, item.share]);
    const bars = rows.map(([token, share]) => bar(label(token), share, token === item.token ? "drawn" : ""));
    const rest = 1 - rows.reduce((sum, [, share]) => sum + share, 0);
    if (rows.length && rest >= 0.001) bars.push(bar("all others", rest, "others"));
    card.replaceChildren(head, ...bars);
    const parts = [];
    for (let i = item.index - 1; i >= 0 && drawn[i].waits && drawn[i].position === item.position - parts.length - 1; i--)
      parts.unshift(data.tokens[drawn[i].token][0]);
    if (parts.length) card.append(make("p", "", `Completes a character that began in token ${parts.join(", ")}.`));
    if (item.waits) card.append(make("p", "", "Part of a character; a later token completes it."));
    const id = data.tokens[item.token][0];
    card.append(make("p", "", `Token ${id}, position ${count(item.position + 1)}, draw ${count(item.index + 1)} of ${count(drawn.length)}`));
    if (item.attempt) card.append(whyElement(item.attempt));
  }

  function whyElement({ who, why, kind, items }) {
    if (kind === "held") return make("p", "why", `Never streamed: ${why}.`);
    if (kind === "stop") return make("p", "why", "Cut off: a stop string.");
    return make("p", "why", `${plural(items.length, "token")} taken back by ${who}${why ? `: ${why}` : ""}`);
  }

  const attemptText = (attempt) => attempt.items.map((item) => item.text).join("");

  function chipCard(chip) {
    const { attempts } = chip, [first] = attempts;
    if (attempts.length === 1) {
      const most = first.items.slice(0, 8);
      const bars = most.map((item) => bar(label(item.token), item.share, ""));
      const told = first.kind ? chip.dataset.label : `Taken back: ${plural(first.items.length, "token")}`;
      card.replaceChildren(make("div", "head", told), ...bars);
      if (first.items.length > most.length) card.append(make("p", "", `and ${count(first.items.length - most.length)} more`));
      card.append(whyElement(first));
      return;
    }
    const list = make("ul"), most = attempts.slice(0, 8);
    for (const attempt of most) {
      const row = make("li");
      row.append(make("span", "struck", shown(attemptText(attempt))), ` \u2014 ${reason(attempt)}`);
      list.append(row);
    }
    card.replaceChildren(make("div", "head", `Taken back here: ${plural(attempts.length, "attempt")}, ${plural(size(attempts), "token")}`), list);
    if (attempts.length > most.length) card.append(make("p", "", `and ${count(attempts.length - most.length)} more`));
  }

  let cardAt = null; // what the card is about: a token or a chip
  const cursor = make("div");
  cursor.id = "cursor";

  function placeCard(box) {
    const { width, height } = card.getBoundingClientRect();
    const below = box.bottom + 8, fits = below + height < innerHeight - 4;
    const left = Math.min(Math.max(8, box.left), document.documentElement.clientWidth - width - 8);
    card.style.left = `${left}px`;
    card.style.top = `${fits ? below : Math.max(4, box.top - height - 8)}px`;
  }

  function fillCard(item, chip) {
    if (item) tokenCard(item);
    else chipCard(chip);
    const { index } = item || chip.attempts[0].items[0];
    cursor.style.left = `${((index + 0.5) / drawn.length) * 100}%`;
    card.hidden = cursor.hidden = false;
  }

  function showCard(element) {
    cardAt = element;
    fillCard(element.item, element);
    placeCard(element.getClientRects()[0]);
  }

  function hideCard() {
    cardAt = null;
    card.hidden = cursor.hidden = true;
  }

  // -- pointing, tapping, keys ---------------------------------------------------------------

  const targetOf = (event) => (event.target instanceof Element ? event.target.closest(".t, .chip") : null);

  function focus(element) {
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
  }

  function reveal(element) {
    element.scrollIntoView({ block: "center" });
    focus(element);
    element.classList.remove("flash");
    void element.offsetWidth; // starts the animation anew
    element.classList.add("flash");
  }

  text.addEventListener("pointerover", (event) => {
    const target = event.pointerType === "touch" ? null : targetOf(event);
    if (target) showCard(target);
  });
  text.addEventListener("pointerout", (event) => {
    if (event.pointerType !== "touch") hideCard();
  });
  text.addEventListener("focusin", (event) => {
    const target = targetOf(event);
    if (target) showCard(target);
  });
  text.addEventListener("focusout", hideCard);
  document.addEventListener("click", (event) => {
    const target = text.contains(event.target) ? targetOf(event) : null;
    if (target && target.attempts) {
      unfold(target, target.getAttribute("aria-expanded") !== "true");
      hideCard(); // it would cover what it speaks of
    } else if (target) showCard(target);
    else if (!timeline.contains(event.target)) hideCard();
  });
  addEventListener("scroll", () => {
    const box = cardAt && cardAt.getClientRects()[0];
    if (box && box.bottom > 0 && box.top < innerHeight) placeCard(box);
    else hideCard();
  }, { passive: true });

  /** Go to the next or previous token or chip from where the focus is, or else from the top of the window. */
  function go(selector, step) {
    const all = Array.from(text.querySelectorAll(selector)).filter((each) => !each.closest("[hidden]"));
    const focused = document.activeElement;
    const here = text.contains(focused) && focused !== text ? focused : null;
    const top = byId("bar").getBoundingClientRect().bottom;
    const isAfter = (each) =>
      here ? here.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING : each.getBoundingClientRect().top >= top;
    let next = all.indexOf(here);
    if (next >= 0) next += step;
    else {
      const first = all.findIndex(isAfter);
      next = (first < 0 ? all.length : first) - (step < 0 ? 1 : 0);
    }
    if (!all[next]) return;
    if (selector === ".chip") reveal(all[next]);
    else {
      focus(all[next]);
      all[next].scrollIntoView({ block: "nearest" });
    }
  }

  const KEYS = {
    u: () => unfoldAll(!allOpen),
    n: () => go(".chip", 1),
    p: () => go(".chip", -1),
    c: () => byId("colour").click(),
    Escape: hideCard,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = document.activeElement;
    const inText = text.contains(here);
    let action = KEYS[event.key];
    if (inText && event.key === "ArrowRight") action = () => go(".t, .chip", 1);
    if (inText && event.key === "ArrowLeft") action = () => go(".t, .chip", -1);
    if (inText && here.attempts && (event.key === "Enter" || event.key === " ")) action = () => here.click();
    if (!action) return;
    event.preventDefault();
    action();
  });
  byId("all").addEventListener("click", () => unfoldAll(!allOpen));
  byId("next").addEventListener("click", () => go(".chip", 1));
  byId("previous").addEventListener("click", () => go(".chip", -1));
  byId("sample").addEventListener("click", () => {
    const first = text.querySelector(".chip");
    unfold(first, true);
    reveal(first);
  });
  byId("colour").addEventListener("change", (event) => document.body.classList.toggle("plain", !event.target.checked));

  // -- the timeline --------------------------------------------------------------------------

  function drawTimeline() {
    const make = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
    const svg = make("svg"), lines = { kept: "", erased: "", drop: "", band: "" };
    svg.setAttribute("viewBox", `0 0 ${drawn.length} ${length}`);
    svg.setAttribute("preserveAspectRatio", "none");
    let last = null;
    drawn.forEach((item, x) => {
      const kind = item.attempt ? "erased" : "kept";
      const y = length - item.position;
      if (last && item.position !== last.position + 1) lines.drop += `M${x} ${length - last.position - 1}V${y}`;
      const goesOn = last && item.position === last.position + 1 && kind === (last.attempt ? "erased" : "kept");
      if (!goesOn) lines[kind] += `M${x} ${y}`;
      const next = drawn[x + 1];
      const endsHere = !next || next.position !== item.position + 1 || !next.attempt !== !item.attempt;
      if (endsHere) lines[kind] += `L${x + 1} ${y - 1}`;
      if (item.attempt && !(last && last.attempt)) lines.band += `M${x} ${length}V0`;
      if (item.attempt && !(next && next.attempt)) lines.band += `H${x + 1}V${length}Z`;
      last = item;
    });
    for (const [kind, d] of Object.entries(lines).reverse()) {
      const path = make("path");
      path.setAttribute("class", kind);
      path.setAttribute("d", d);
      svg.append(path);
    }
    return svg;
  }

  const itemAt = (event) => {
    const box = timeline.getBoundingClientRect();
    const index = Math.floor(((event.clientX - box.left) / box.width) * drawn.length);
    return drawn[Math.min(drawn.length - 1, Math.max(0, index))];
  };

  /** Go to where a token was drawn, unfolding what it was taken back with. */
  function goTo(item) {
    const around = [];
    for (let attempt = item.attempt; attempt; attempt = attempt.parent) around.unshift(attempt);
    for (const attempt of around) unfold(attempt.chip, true);
    let found = item;
    while (found && !found.element) found = drawn[found.index + 1]; // a part of a character
    if (found) reveal(found.element);
  }

  // -- all of it -----------------------------------------------------------------------------

  const ENDS = {
    end: "an end token", stop: "a stop string", length: "the limit on its length",
    exhausted: "nothing that was allowed was left", context: "a full context", "": "being broken off",
  };

  function figure(name, value, className = "") {
    const element = make("div", className);
    element.append(make("dt", "", name), make("dd", "", value));
    return element;
  }

  function drawCounts() {
    const share = data.discarded ? percent(data.discarded / data.drawn) : "0%";
    byId("counts").append(
      figure(data.emitted === 1 ? "token in the text" : "tokens in the text", count(data.emitted)),
      figure(data.rollbacks === 1 ? "attempt taken back" : "attempts taken back", count(data.rollbacks), "erased"),
      figure(data.discarded === 1 ? "token taken back" : "tokens taken back", count(data.discarded), "erased"),
      figure("of all tokens drawn", share),
    );
    for (const [name, value] of [...data.how, ["ended by", ENDS[data.reason]]]) byId("how").append(figure(name, value));
    const shares = BINS.map(() => 0);
    for (const item of path) shares[bin(item.share)] += 1;
    const names = ["\u226550%", "20\u201350", "5\u201320", "1\u20135", "<1%"];
    names.forEach((name, i) => {
      const swatch = make("i", `p${i}`, name);
      swatch.title = `${plural(shares[i], "token")} of the text`;
      byId("legend").append(swatch);
    });
  }

  function reasonsElement(reasons) {
    const list = make("ul");
    reasons.forEach(([why, times]) => {
      const row = make("li", "", why || "(no reason given)");
      if (times > 1) row.append(make("small", "", ` \u00d7${count(times)}`));
      list.append(row);
    });
    return list;
  }

  function drawWhom() {
    const table = document.querySelector("#whom table"), head = make("tr");
    byId("whom").hidden = !data.whom.length;
    for (const [name, className] of [["strategy", ""], ["attempts", "n"], ["tokens", "n"], ["why", ""]])
      head.append(make("th", className, name));
    table.append(head);
    for (const [who, rollbacks, tokens, reasons, parameters] of data.whom) {
      const row = make("tr", tokens ? "" : "none"), name = make("td", "", who), cell = make("td");
      for (const each of parameters) name.append(make("code", "", each));
      if (!tokens) cell.append("took nothing back");
      cell.append(reasonsElement(reasons.slice(0, 5)));
      if (reasons.length > 5) {
        const more = make("details");
        more.append(make("summary", "", `${count(reasons.length - 5)} more`), reasonsElement(reasons.slice(5)));
        cell.append(more);
      }
      row.append(name, make("td", "n", count(rollbacks)), make("td", "n", count(tokens)), cell);
      table.append(row);
    }
  }

  document.documentElement.classList.add("drawn");
  hideCard();
  drawCounts();
  drawWhom();
  write(byId("prompt"), data.prompt);
  byId("prompt").classList.toggle("long", data.prompt.length > 600);
  const content = document.createDocumentFragment();
  draw(content, path, before, false, 0);
  byId("continuation").append(content);
  const hasChips = text.querySelector(".chip") !== null;
  for (const id of ["all", "next", "previous"]) byId(id).disabled = !hasChips;
  byId("lead-back").hidden = !hasChips;
  byId("lead-none").hidden = hasChips;

  if (drawn.length) {
    timeline.append(drawTimeline(), cursor);
    const top = make("span", "axis top", `length of the text: ${plural(length, "token")}`);
    const end = make("span", "axis end", `${plural(drawn.length, "token")} drawn`);
    timeline.append(top, end);
    timeline.addEventListener("pointermove", (event) => {
      const { top, bottom } = timeline.getBoundingClientRect();
      fillCard(itemAt(event));
      placeCard({ left: event.clientX, top, bottom });
    });
    timeline.addEventListener("pointerleave", hideCard);
    timeline.addEventListener("click", (event) => goTo(itemAt(event)));
  } else timeline.hidden = true;
})();
