"use strict";
// The table of answers: all of them in memory as they stand in the data block, one screenful of rows in the page.
(function () {
  var byId = function (id) { return document.getElementById(id); };
  var data = JSON.parse(byId("data").textContent), items = data.items, answers = data.answers;
  var PAGE = 50, shown = answers.slice(), page = 0, focus = 0, sort = { by: null, up: true }, playing = null, others = null;
  var judged = data.judges[0].name !== null, rights = {};
  data.tasks.forEach(function (task) { rights[task.name] = task; });

  function verdict(row) { return row.judged[Number(byId("judge").value) || 0] || {}; }
  function score(row) { var found = verdict(row).score; return found === undefined ? null : found; }
  function rightness(row) { var found = verdict(row).right; return found === undefined ? "unknown" : found ? "right" : "wrong"; }
  function text(value) { return value === undefined || value === null ? "" : String(value); }
  function digits(value) { return value === null ? "\u2013" : String(Math.round(value * 10) / 10); }

  // What each column shows and is sorted by; a column that is the same in every row is left out.
  var columns = [
    { name: "id", head: "item", of: function (row) { return items[row.item].id; } },
    { name: "type", head: "type", of: function (row) { return text(items[row.item].type); } },
    { name: "condition", head: "condition", of: function (row) { return row.condition; } },
    { name: "question", head: "question", of: function (row) { return text(items[row.item].question); } },
    { name: "answer", head: "answer", of: function (row) { return text(row.answer); } },
    { name: "right", head: "right", of: rightness },
    { name: "score", head: judged ? "score" : "overlap", number: true, of: score },
    { name: "status", head: "status", of: function (row) { return row.status; } }
  ];

  function make(name, options, children) {
    var element = document.createElement(name);
    Object.keys(options || {}).forEach(function (key) {
      if (key === "text") element.textContent = options[key];
      else if (key in element && key !== "list") element[key] = options[key];
      else element.setAttribute(key, options[key]);
    });
    (children || []).forEach(function (child) { element.appendChild(child); });
    return element;
  }

  // Filters -----------------------------------------------------------------------------------------------------------

  function fill(name, values, all) {
    var select = byId(name);
    if (all) select.appendChild(make("option", { value: "", text: all }));
    values.forEach(function (pair) { select.appendChild(make("option", { value: pair[0], text: pair[1] })); });
    if (values.length < 2) select.parentNode.hidden = true;
  }

  function counted(of) {
    var counts = new Map();
    answers.forEach(function (row) { var key = of(row); if (key !== "") counts.set(key, (counts.get(key) || 0) + 1); });
    return counts;
  }

  function named(counts, order) {
    var keys = order ? order.filter(function (key) { return counts.has(key); }) : Array.from(counts.keys()).sort();
    return keys.map(function (key) { return [key, key + " (" + counts.get(key) + ")"]; });
  }

  function start() {
    fill("task", named(counted(function (row) { return items[row.item].task; })), "all");
    fill("type", named(counted(function (row) { return text(items[row.item].type); })), "all");
    fill("condition", named(counted(function (row) { return row.condition; }), data.conditions), "all");
    fill("status", named(counted(function (row) { return row.status; })), "all");
    fill("right", [["right", "right"], ["wrong", "wrong"], ["unknown", "not known"]], "both");
    fill("judge", data.judges.map(function (judge, at) { return [String(at), text(judge.name)]; }));
    if (data.conditions.length > 1) byId("condition").value = data.main;
    byId("range").textContent = judged ? "Score" : "Overlap (no LLM judge)";
    columns = columns.filter(function (column) {
      if (column.name === "condition") return data.conditions.length > 1;
      if (column.name === "type") return !byId("type").parentNode.hidden;
      return true;
    });
    heads();
    ["filters", "answers"].forEach(function (id) { byId(id).hidden = false; });
    document.querySelectorAll(".moves").forEach(function (moves) { moves.hidden = false; });
    update();
  }

  function terms() { return byId("q").value.toLowerCase().split(/\s+/).filter(Boolean); }

  // Looked up as it is asked: a copy of every text in lower case would double what the page holds.
  function texts(row) {
    var item = items[row.item];
    return [item.id, item.recording, item.question, row.answer, row.reasoning, row.error, item.label].concat(item.references || [],
      item.transcripts || [], row.flags || [], row.judged.reduce(function (all, judge) {
        return all.concat((judge.each || []).map(function (one) { return one.reason; }));
      }, []));
  }

  function holds(row, wanted) {
    var all = texts(row).map(function (one) { return text(one).toLowerCase(); });
    return wanted.every(function (term) { return all.some(function (one) { return one.indexOf(term) >= 0; }); });
  }

  function bound(id) { var value = parseFloat(byId(id).value); return isNaN(value) ? null : value; }

  function update() {
    var wanted = terms(), least = bound("least"), most = bound("most"), chosen = {};
    ["task", "type", "condition", "status", "right"].forEach(function (name) { chosen[name] = byId(name).value; });
    shown = answers.filter(function (row) {
      var item = items[row.item], value;
      if (chosen.task && item.task !== chosen.task) return false;
      if (chosen.type && item.type !== chosen.type) return false;
      if (chosen.condition && row.condition !== chosen.condition) return false;
      if (chosen.status && row.status !== chosen.status) return false;
      if (chosen.right && rightness(row) !== chosen.right) return false;
      if (least !== null || most !== null) {
        value = score(row);
        if (value === null || (least !== null && value < least) || (most !== null && value > most)) return false;
      }
      return !wanted.length || holds(row, wanted);
    });
    order();
    page = 0;
    focus = 0;
    draw();
  }

  // Sorting -----------------------------------------------------------------------------------------------------------

  function order() {
    if (!sort.by) return;
    var keyed = shown.map(function (row, at) { return { row: row, at: at, key: sort.by.of(row) }; });
    var way = sort.up ? 1 : -1, words = new Intl.Collator(undefined, { numeric: true });
    keyed.sort(function (a, b) {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.at - b.at;  // none: last, whichever way
      var by = sort.by.number ? a.key - b.key : words.compare(a.key, b.key);
      return by * way || a.at - b.at;
    });
    shown = keyed.map(function (one) { return one.row; });
  }

  function heads() {
    var row = byId("answers").tHead.rows[0];
    columns.forEach(function (column) {
      var button = make("button", { type: "button", text: column.head });
      var head = make("th", { scope: "col", className: column.name + (column.number ? " n" : "") }, [button]);
      button.addEventListener("click", function () {
        sort = { by: column, up: head.getAttribute("aria-sort") !== "ascending" };
        Array.prototype.forEach.call(row.cells, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", sort.up ? "ascending" : "descending");
        update();
      });
      row.appendChild(head);
    });
  }

  // Rows --------------------------------------------------------------------------------------------------------------

  function width() {  // on a phone some columns are not shown
    return Array.prototype.filter.call(byId("answers").tHead.rows[0].cells, function (head) { return head.offsetParent !== null; }).length;
  }

  function pages() { return Math.max(1, Math.ceil(shown.length / PAGE)); }

  function draw() {
    var body = byId("answers").tBodies[0], from = page * PAGE;
    stop();
    body.replaceChildren.apply(body, shown.slice(from, from + PAGE).map(line));
    if (!shown.length) {
      body.appendChild(make("tr", {}, [make("td", { className: "none", colSpan: width(), text: "No answer is like that." })]));
    }
    tab(Math.min(focus, buttons().length - 1));
    var said = shown.length === answers.length ? "" : " of " + answers.length;
    byId("count").textContent = shown.length + said + (answers.length === 1 ? " answer" : " answers") +
      (shown.length > PAGE ? ", shown: " + (from + 1) + " to " + Math.min(from + PAGE, shown.length) : "");
    document.querySelectorAll("[data-turn]").forEach(function (button) {
      var to = page + Number(button.dataset.turn);
      button.disabled = to < 0 || to >= pages();
      button.hidden = pages() === 1;
    });
  }

  function line(row, at) {
    var tr = make("tr", { className: "row" });
    columns.forEach(function (column, place) {
      var value = column.of(row), cell = make(place ? "td" : "th", { className: column.name + (column.number ? " n" : "") });
      if (!place) cell.scope = "row";
      if (column.name === "question") cell.appendChild(opener(row, value));
      else if (column.name === "answer") cell.appendChild(make("span", { className: "clamp", dir: "auto", text: value || empty(row) }));
      else if (column.name === "right") cell.appendChild(sign(value));
      else cell.textContent = column.number ? digits(value) : value;
      tr.appendChild(cell);
    });
    tr.addEventListener("click", function (event) {
      if (event.target.closest("button, a, audio") || String(window.getSelection())) return;
      tr.querySelector("button.open").click();
    });
    tr.dataset.at = String(at);
    return tr;
  }

  function sign(value) {  // on a phone the word is there for a screen reader only
    if (value === "unknown") return make("span", { className: "dim", text: "\u2013" });
    return make("span", { className: value === "right" ? "yes" : "no", text: value === "right" ? "\u2713" : "\u2717" },
      [make("span", { className: "word", text: " " + value })]);
  }

  function opener(row, question) {
    var label = make("span", { className: "clamp", dir: "auto", text: question || "(text withheld)" });
    var button = make("button", { type: "button", className: "open" }, [label]);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", function () { toggle(button, row); });
    button.addEventListener("focus", function () { tab(buttons().indexOf(button)); });
    return button;
  }

  function empty(row) {
    if (!rights[items[row.item].task].text) return "(text withheld)";
    return row.status === "error" ? "(failed)" : "(no answer)";
  }

  function toggle(button, row) {
    var tr = button.closest("tr"), open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    tr.classList.toggle("open", !open);
    if (open) {
      stop();
      tr.nextSibling.remove();
    } else {
      tr.after(make("tr", { className: "more" }, [make("td", { colSpan: width() }, [details(row)])]));
    }
  }

  // An open row -------------------------------------------------------------------------------------------------------

  function details(row) {
    var list = make("dl"), item = items[row.item], allowed = rights[item.task];
    function add(name, value, deep) {
      if (value === undefined || value === null || value === "") return;
      var dd = value instanceof Node ? value : make("dd", { dir: "auto", text: String(value) });
      if (deep) { dd.classList.add("deep"); dd.tabIndex = 0; dd.setAttribute("aria-label", name); }
      list.appendChild(make("dt", { text: name }));
      list.appendChild(dd);
    }
    add("Item", item.id + " \u00b7 " + item.task + (item.type ? " \u00b7 " + item.type : "") + " \u00b7 recording " + item.recording);
    add("Clip", clips(item, row, allowed));
    if (!allowed.text) add("Texts", "withheld: the rights of " + item.task + " (license: " + allowed.license + ") do not allow them to be shown");
    add("Question", item.question);
    add("Options", (item.options || []).join(" \u00b7 "));
    add((item.references || []).length > 1 ? "References" : "Reference", (item.references || []).join("\n"));
    add("Label", item.label);
    add("Words suggest", item.lure);
    add("Answer", row.answer || empty(row));
    add("Reasoning", row.reasoning, true);
    add("Status", row.status + (row.error ? ": " + row.error : ""));
    if (row.heard !== undefined) add("Heard", row.heard + " s" + (item.seconds === undefined ? "" : " of " + item.seconds + " s"));
    add("Condition", data.conditions.length > 1 ? row.condition : "");
    add("Told", (row.told || []).join(", "));
    add("Flags", (row.flags || []).join(", "));
    row.judged.forEach(function (one, at) { judgement(one, data.judges[at], add); });
    add("Said", (item.transcripts || []).join("\n"));
    alike(row).forEach(function (other) { add("Under " + other.condition, (other.answer || empty(other)) + mark(other)); });
    return list;
  }

  function mark(row) { var right = rightness(row); return right === "unknown" ? "" : right === "right" ? "  \u2713" : "  \u2717"; }

  function judgement(one, judge, add) {
    var right = one.right === undefined ? "" : (one.right ? "right" : "wrong") + ", by " + one.by;
    if (judge.name === null) {
      add("Right", right);
      add("Overlap", one.score === undefined ? "" : digits(one.score) + " (no LLM judge)");
      return;
    }
    var head = one.score === undefined ? "no score" : "score " + digits(one.score), each = one.each || [];
    var lines = each.map(function (said) {
      return (each.length > 1 || said.score === undefined ? (said.score === undefined ? said.status : digits(said.score)) + ": " : "") +
        (said.status === "rule_empty" ? "nothing to judge: the rule gives 0. " : "") + text(said.reason);
    });
    add(judge.name, [head + (right ? ", " + right : "")].concat(lines.filter(function (line) { return line.trim(); })).join("\n"));
  }

  function alike(row) {
    if (data.conditions.length < 2) return [];
    if (!others) {
      others = new Map();
      answers.forEach(function (each) { if (!others.has(each.item)) others.set(each.item, []); others.get(each.item).push(each); });
    }
    return others.get(row.item).filter(function (each) { return each !== row; });
  }

  function clips(item, row, allowed) {
    var dd = make("dd", { className: "clips" }), found = item.clips || [];
    if (!allowed.audio) {
      dd.textContent = "withheld: the rights of " + item.task + " (license: " + allowed.license + ") do not allow it to be passed on";
      return dd;
    }
    found.forEach(function (link, at) { dd.appendChild(player(link, found.length > 1 ? "clip " + (at + 1) : "clip")); });
    (row.played || []).forEach(function (link) { dd.appendChild(player(link, "clip that was played instead")); });
    if (!found.length) dd.textContent = "none";
    if (item.seconds !== undefined) dd.appendChild(make("span", { className: "dim", text: item.seconds + " s" }));
    return dd;
  }

  function player(link, name) {
    if (link === null) return make("span", { className: "dim", text: name + ": not on this machine" });
    var button = make("button", { type: "button", className: "button play", text: "\u25b6 Play the " + name });
    button.addEventListener("click", function () {  // made on click: thousands of players at once would take seconds
      stop();
      var audio = make("audio", { controls: true, preload: "auto", "aria-label": name });
      audio.addEventListener("error", function () {
        audio.replaceWith(make("span", { className: "note",
          text: "The " + name + " cannot be played here: the file is missing, or this browser does not know its format." }));
      });
      audio.addEventListener("play", function () { if (playing && playing !== audio) playing.pause(); playing = audio; });
      audio.src = link;
      button.replaceWith(audio);
      playing = audio;
      audio.focus({ preventScroll: true });
      audio.play().catch(function () {});  // what stopped it shows in the player, or as the error above
    });
    return button;
  }

  function stop() { if (playing) playing.pause(); playing = null; }

  // Keyboard ----------------------------------------------------------------------------------------------------------

  function buttons() { return Array.prototype.slice.call(document.querySelectorAll("button.open")); }

  function tab(at) {  // one row is in the order of tabs; the arrows go on from there
    focus = Math.max(0, at);
    buttons().forEach(function (button, place) { button.tabIndex = place === focus ? 0 : -1; });
  }

  function go(at) {
    var all = buttons();
    if (at < 0 && page > 0) return turn(-1, PAGE - 1);
    if (at >= all.length && page < pages() - 1) return turn(1, 0);
    if (all.length) all[Math.min(Math.max(at, 0), all.length - 1)].focus();
  }

  function turn(by, to) {
    if (page + by < 0 || page + by >= pages()) return;
    page += by;
    focus = to === undefined ? 0 : to;
    draw();
    if (to !== undefined) buttons()[focus].focus();
    else byId("count").scrollIntoView({ block: "nearest" });
  }

  function play() {
    var all = buttons(), button = all[focus];
    if (!button) return;
    if (playing && playing.isConnected) { if (playing.paused) playing.play().catch(function () {}); else playing.pause(); return; }
    if (button.getAttribute("aria-expanded") !== "true") button.click();
    var first = button.closest("tr").nextSibling.querySelector("button.play");
    if (first) first.click();
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    var field = event.target.closest("input, select, textarea"), inside = event.target.closest("#answers"), key = event.key;
    if (key === "Escape" && field && field.id === "q") { field.value = ""; now(); field.blur(); return; }
    if (key === "ArrowDown" && field && field.id === "q") { event.preventDefault(); now(); go(0); return; }
    if (key === "Enter" && field && field.id === "q") { now(); return; }
    if (field) return;
    if (key === "/") { event.preventDefault(); byId("q").focus(); byId("q").select(); return; }
    if (!inside) return;
    if (key === "p" || key === "P") { play(); return; }
    if (key === "Escape") {
      var row = event.target.closest("tr"), open = row.className.indexOf("more") >= 0 ? row.previousSibling : row;
      var opened = open.querySelector("button.open[aria-expanded='true']");
      if (opened) { opened.click(); opened.focus(); }
      return;
    }
    if (!event.target.closest("button.open")) return;
    var to = { ArrowDown: focus + 1, ArrowUp: focus - 1, Home: 0, End: buttons().length - 1 }[key];
    if (to !== undefined) { event.preventDefault(); go(to); }
    if (key === "PageDown" || key === "PageUp") { event.preventDefault(); turn(key === "PageDown" ? 1 : -1, 0); }
  });

  var waiting = null;  // what was typed is looked up when the typing pauses
  function now() { clearTimeout(waiting); update(); }
  byId("q").addEventListener("input", function () { clearTimeout(waiting); waiting = setTimeout(update, 100); });
  ["least", "most"].forEach(function (id) { byId(id).addEventListener("input", update); });
  ["task", "type", "condition", "status", "right", "judge"].forEach(function (id) { byId(id).addEventListener("change", update); });
  byId("filters").addEventListener("submit", function (event) { event.preventDefault(); now(); });
  byId("clear").addEventListener("click", function () {
    byId("filters").reset();
    if (data.conditions.length > 1) byId("condition").value = data.main;
    now();
    byId("q").focus();
  });
  document.querySelectorAll("[data-turn]").forEach(function (button) {
    button.addEventListener("click", function () { turn(Number(button.dataset.turn)); });
  });
  window.matchMedia("(max-width: 40rem)").addEventListener("change", draw);
  start();
})();
