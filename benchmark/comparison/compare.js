"use strict";
// Items that one side alone got right: all of them in memory, as many in the page as were asked for.
(function () {
  var byId = function (id) { return document.getElementById(id); };
  if (!byId("data")) return;
  var items = JSON.parse(byId("data").textContent).items, STEP = 50, upTo = STEP, shown = items;
  var fields = ["task", "type", "right", "wrong"];

  function text(value) { return value === undefined || value === null ? "" : String(value); }

  function make(name, className, words, dir) {
    var element = document.createElement(name);
    if (className) element.className = className;
    if (words !== undefined) element.textContent = words;
    if (dir) element.dir = "auto";
    return element;
  }

  function fill(name) {
    var counts = new Map(), select = byId(name);
    items.forEach(function (one) { var key = text(one[name]); if (key) counts.set(key, (counts.get(key) || 0) + 1); });
    Array.from(counts.keys()).sort().forEach(function (key) {
      var option = make("option", "", key + " (" + counts.get(key) + ")");
      option.value = key;
      select.appendChild(option);
    });
    if (counts.size < 2) select.parentNode.hidden = true;
  }

  function cell(kind, className, who, words) {
    var found = make(kind, className);
    found.appendChild(make("span", "who", who));
    found.appendChild(make("span", "", words, true));
    return found;
  }

  function row(one) {
    var tr = make("tr"), closed = "(text withheld)";
    var item = cell("th", "item", [one.task, one.type, "by " + one.basis].filter(Boolean).join(" \u00b7 "), one.item_id);
    item.scope = "row";
    tr.appendChild(item);
    var asked = cell("td", "", one.reference === undefined ? "" : "reference: " + one.reference, one.question === undefined ? closed : one.question);
    asked.appendChild(asked.firstChild);  // the question, then what it refers to
    tr.appendChild(asked);
    [["\u2713 ", "right"], ["\u2717 ", "wrong"]].forEach(function (side) {
      var said = one["answer_" + side[1]];
      tr.appendChild(cell("td", "", side[0] + side[1] + ": " + one[side[1]], said === undefined ? closed : said || "(no answer)"));
    });
    return tr;
  }

  function draw() {
    var body = byId("alone").tBodies[0];
    body.replaceChildren.apply(body, shown.slice(0, upTo).map(row));
    byId("count").textContent = shown.length + (shown.length === items.length ? "" : " of " + items.length) +
      (items.length === 1 ? " item" : " items") + (shown.length > upTo ? ", shown: " + upTo : "");
    byId("more").hidden = shown.length <= upTo;
  }

  function update() {
    var words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = items.filter(function (one) {
      if (!fields.every(function (name) { return !byId(name).value || text(one[name]) === byId(name).value; })) return false;
      var all = [one.item_id, one.recording, one.question, one.reference, one.answer_right, one.answer_wrong].map(text).join("\n").toLowerCase();
      return words.every(function (word) { return all.indexOf(word) >= 0; });
    });
    upTo = STEP;
    draw();
  }

  fields.forEach(fill);
  fields.forEach(function (name) { byId(name).addEventListener("change", update); });
  byId("q").addEventListener("input", update);
  byId("filters").addEventListener("submit", function (event) { event.preventDefault(); });
  byId("more").addEventListener("click", function () {
    var first = upTo;
    upTo += STEP;
    draw();
    var next = byId("alone").tBodies[0].rows[first];
    next.tabIndex = -1;
    next.focus();  // a reader goes on where the new rows begin
  });
  ["filters", "alone", "count"].forEach(function (id) { byId(id).hidden = false; });
  draw();
})();
