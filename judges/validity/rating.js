"use strict";
// The rating page. What the rater does is one object, written to this browser's storage at every change:
//   {name, at, rated: {id: {score: 0..5 | "x" (cannot tell), comment, saw}}}
(function () {
  var byId = function (id) { return document.getElementById(id); };
  var data = JSON.parse(byId("data").textContent), items = data.items;
  var KEY = "cpbench-rating-" + data.sample + "-" + data.rater;
  var known = {};
  items.forEach(function (item) { known[item.id] = true; });
  var state = { name: "", at: 0, rated: {} }, undone = [], kept = true, downloaded = true, playing = null, open = false;

  function read() {
    try {
      return JSON.parse(window.localStorage.getItem(KEY));
    } catch (error) {
      kept = false;
      return null;
    }
  }

  function save() {
    downloaded = false;
    try {
      window.localStorage.setItem(KEY, JSON.stringify(state));
      kept = true;
    } catch (error) {  // switched off, or full
      kept = false;
    }
    byId("unkept").hidden = kept;
    byId("saved").textContent = kept ? "\u00b7 kept in this browser" : "\u00b7 not kept: download before you close";
  }

  function take(found) {
    if (!found || typeof found.rated !== "object") return;
    state = { name: String(found.name || ""), at: Math.min(Math.max(found.at | 0, 0), items.length - 1), rated: found.rated };
  }

  function entry(id) {
    return state.rated[id] || { comment: "", saw: data.reference === "shown" };
  }

  function isRated(id) {
    return state.rated[id] !== undefined && state.rated[id].score !== undefined;
  }

  function counts() {
    var rated = items.filter(function (item) { return isRated(item.id); });
    return { rated: rated.length, unsure: rated.filter(function (item) { return state.rated[item.id].score === "x"; }).length };
  }

  // Every change of a rating goes through here, so that it can be undone; a comment is changed in its field alone.
  function change(id, now) {
    undone.push({ id: id, before: state.rated[id], at: state.at });
    state.rated[id] = now;
  }

  function rate(score) {
    var item = items[state.at], now = Object.assign({}, entry(item.id), { score: score });
    change(item.id, now);
    var last = state.at === items.length - 1;
    if (!last) state.at += 1;
    save();
    show(score === "x" ? "Cannot tell." : "Rated " + score + ".");
  }

  function undo() {
    var last = undone.pop();
    if (!last) return;
    var comment = entry(last.id).comment;
    if (last.before === undefined && !comment) delete state.rated[last.id];
    else state.rated[last.id] = Object.assign({ saw: data.reference === "shown" }, last.before, { comment: comment });
    state.at = last.at;
    save();
    show("Undone.");
  }

  function go(to) {
    if (to < 0 || to >= items.length) return;
    state.at = to;
    save();
    show("");
  }

  function goUnrated() {
    for (var step = 1; step <= items.length; step += 1) {
      var to = (state.at + step) % items.length;
      if (!isRated(items[to].id)) return go(to);
    }
    say("All are rated.");
  }

  function say(text) { byId("said").textContent = text; }

  function player(link, number, of) {
    var label = of > 1 ? "Clip " + (number + 1) : "Clip", button = document.createElement("button");
    button.type = "button";
    button.className = "button clip";
    if (link === null) {
      button.disabled = true;
      button.textContent = label + ": not on this machine";
      return button;
    }
    button.textContent = "\u25b6 Play the " + label.toLowerCase() + (number === 0 ? " " : "");
    if (number === 0) {
      var key = document.createElement("kbd");
      key.textContent = "Space";
      button.appendChild(key);
      button.setAttribute("aria-keyshortcuts", "Space");
    }
    button.addEventListener("click", function () {  // made on click: hundreds of players at once would be slow
      var audio = document.createElement("audio");
      audio.controls = true;
      audio.setAttribute("aria-label", label);
      audio.addEventListener("error", function () {
        var note = document.createElement("span");
        note.className = "note";
        note.textContent = label + " cannot be played here: the file is missing, or this browser does not know its format.";
        audio.replaceWith(note);
        playing = null;
      });
      audio.addEventListener("play", function () { playing = audio; });
      audio.src = link;
      button.replaceWith(audio);
      start(audio);
    });
    return button;
  }

  function start(audio) {
    playing = audio;
    audio.play().catch(function () {});  // what stopped it shows in the player, or as the error above
  }

  function toggle() {
    var first = byId("clips").querySelector("button.clip:not(:disabled)");
    if (playing && playing.isConnected) return playing.paused ? start(playing) : playing.pause();
    if (first) first.click();
  }

  function reveal() {
    var item = items[state.at], now = entry(item.id);
    if (data.reference !== "on-demand") return;
    open = !open;
    if (open && !now.saw) {
      state.rated[item.id] = Object.assign({}, now, { saw: true });
      save();
    }
    showReference();
  }

  function showReference() {
    var list = byId("reference");
    if (!list) return;
    list.hidden = !open;
    byId("reveal").hidden = data.reference === "shown";
    byId("reveal").setAttribute("aria-expanded", String(open));
    byId("reveal").firstChild.textContent = open ? "Hide the reference " : "Show the reference ";
  }

  function show(said) {
    var item = items[state.at], now = entry(item.id), count = counts();
    byId("who").hidden = true;
    byId("rating").hidden = false;
    byId("place").textContent = "Answer " + (state.at + 1) + " of " + items.length;
    byId("count").textContent = count.rated + " rated" + (count.unsure ? ", " + count.unsure + " of them \u201ccannot tell\u201d" : "") +
      ", " + (items.length - count.rated) + " to go";
    byId("done").value = count.rated;
    byId("question").textContent = item.question;
    byId("answer").textContent = item.answer.trim() ? item.answer : "(no answer)";
    byId("answer").classList.toggle("none", !item.answer.trim());
    byId("answer").scrollTop = 0;
    if (playing) playing.pause();
    playing = null;
    byId("clips").replaceChildren.apply(byId("clips"), item.clips.map(function (link, at) { return player(link, at, item.clips.length); }));
    if (byId("reference")) {
      byId("reference").replaceChildren.apply(byId("reference"), item.references.map(function (text) {
        var line = document.createElement("li");
        line.dir = "auto";
        line.textContent = text;
        return line;
      }));
      byId("reference-is").textContent = item.references.length > 1 ? "References (any one of them is right)" : "Reference";
      open = data.reference === "shown";
      showReference();
    }
    byId("comment").value = now.comment;
    document.querySelectorAll(".score").forEach(function (button) {
      button.setAttribute("aria-pressed", String(String(now.score) === button.dataset.score));
    });
    byId("back").disabled = state.at === 0;
    byId("on").disabled = state.at === items.length - 1;
    byId("undo").disabled = !undone.length;
    byId("finished").hidden = count.rated < items.length;
    byId("finished").textContent = "All " + items.length + " are rated. Download the file, and send it to whoever gave you this page.";
    say((said ? said + " " : "") + (count.rated === items.length ? "All are rated. " : "") + byId("place").textContent);
    byId("place").focus({ preventScroll: true });
    byId("place").scrollIntoView({ block: "nearest" });
  }

  // Only what was touched is in the file: an answer that was never reached is missing, and not "cannot tell".
  function rows() {
    return items.filter(function (item) { return isRated(item.id) || entry(item.id).comment; }).map(function (item) {
      var now = entry(item.id), score = typeof now.score === "number" ? now.score : null;
      return { sample: data.sample, id: item.id, annotator: state.name, score: score, cannot_tell: now.score === "x",
        comment: now.comment, saw_reference: now.saw };
    });
  }

  function cell(value) {
    var text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }

  function csv() {
    var names = ["sample", "id", "annotator", "score", "cannot_tell", "comment", "saw_reference"];
    var lines = rows().map(function (row) { return names.map(function (name) { return cell(row[name]); }).join(","); });
    return "\ufeff" + [names.join(",")].concat(lines).join("\r\n") + "\r\n";  // the mark at the start: spreadsheets need it
  }

  function jsonl() {
    return rows().map(function (row) { return JSON.stringify(row) + "\n"; }).join("");
  }

  function download(text, kind, suffix) {
    var link = document.createElement("a"), url = URL.createObjectURL(new Blob([text], { type: kind + ";charset=utf-8" }));
    link.href = url;
    link.download = "ratings-" + (state.name.replace(/[^\p{L}\p{N}_-]+/gu, "-") || data.rater) + "-" + data.sample + suffix;
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(url); }, 10000);
    downloaded = true;
    byId("saved").textContent = "\u00b7 downloaded";
    say("Downloaded.");
  }

  function load(text) {
    var taken = 0, strange = 0;
    text.split("\n").forEach(function (line) {
      if (!line.trim()) return;
      var row;
      try { row = JSON.parse(line); } catch (error) { row = null; }
      var right = row && row.sample === data.sample && known[row.id];
      var score = row && row.cannot_tell ? "x" : row && row.score;
      if (!right || !(score === null || score === "x" || [0, 1, 2, 3, 4, 5].indexOf(score) >= 0)) { strange += 1; return; }
      taken += 1;
      state.rated[row.id] = { comment: String(row.comment || ""), saw: Boolean(row.saw_reference) };
      if (score !== null) state.rated[row.id].score = score;
    });
    undone = [];
    save();
    show("");
    byId("gone").hidden = false;
    byId("gone").textContent = taken + " ratings taken from the file" + (strange ? "; " + strange + " lines are not of this page and were left." : ".");
  }

  document.addEventListener("keydown", function (event) {
    var target = event.target, field = target.closest("input, textarea");
    if (event.key === "Escape" && field === byId("comment")) { byId("place").focus({ preventScroll: true }); return; }
    if (field || byId("rating").hidden || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "z" && !event.shiftKey) { event.preventDefault(); undo(); }
      return;
    }
    // On some keyboards digits need Shift: there the key's place counts.
    var digit = /^[0-9]$/.test(event.key) ? event.key : /^Digit[0-9]$/.test(event.code) && !event.shiftKey ? event.code.slice(5) : null;
    var key = event.key.toLowerCase(), done = true;
    if (event.repeat && (digit !== null || key === "x" || key === "u")) { event.preventDefault(); return; }  // a key held down is one rating
    if (digit !== null && Number(digit) <= 5) rate(Number(digit));
    else if (digit !== null) say("From 0 to 5.");
    else if (key === "x") rate("x");
    else if (key === "arrowleft" && !target.closest("audio")) go(state.at - 1);
    else if (key === "arrowright" && !target.closest("audio")) go(state.at + 1);
    else if (key === "n") goUnrated();
    else if (key === "u") undo();
    else if (key === "r") reveal();
    else if (key === "c") byId("comment").focus();
    else if (key === "d") download(csv(), "text/csv", ".csv");
    else if (key === "h") { byId("how").open = !byId("how").open; if (byId("how").open) byId("how").scrollIntoView(); }
    else if (key === " " && !target.closest("button, a, summary, audio, label")) toggle();
    else done = false;
    if (done) event.preventDefault();
  });

  document.querySelectorAll(".score").forEach(function (button) {
    button.addEventListener("click", function () { rate(button.dataset.score === "x" ? "x" : Number(button.dataset.score)); });
  });
  byId("back").addEventListener("click", function () { go(state.at - 1); });
  byId("on").addEventListener("click", function () { go(state.at + 1); });
  byId("unrated").addEventListener("click", goUnrated);
  byId("undo").addEventListener("click", undo);
  if (byId("reveal")) byId("reveal").addEventListener("click", reveal);
  byId("comment").addEventListener("input", function () {
    var id = items[state.at].id;
    state.rated[id] = Object.assign({}, entry(id), { comment: byId("comment").value });
    save();
  });
  byId("csv").addEventListener("click", function () { download(csv(), "text/csv", ".csv"); });
  byId("jsonl").addEventListener("click", function () { download(jsonl(), "application/jsonl", ".jsonl"); });
  byId("load").addEventListener("change", function () {
    var file = byId("load").files[0];
    if (file) file.text().then(load);
    byId("load").value = "";
  });
  byId("rename").addEventListener("click", function () {
    byId("rating").hidden = true;
    byId("who").hidden = false;
    byId("name").focus();
  });
  byId("who").addEventListener("submit", function (event) {
    event.preventDefault();
    var name = byId("name").value.trim();
    if (!name) return;
    state.name = name;
    byId("how").open = false;
    save();
    show("");
  });
  window.addEventListener("storage", function (event) {  // the same page in another tab: what is done there is done here
    if (event.key !== KEY || !event.newValue) return;
    var at = state.at;
    take(JSON.parse(event.newValue));
    state.at = at;
    if (!byId("rating").hidden) show("");
  });
  window.addEventListener("beforeunload", function (event) {
    if (!kept && !downloaded) event.preventDefault();
  });

  take(read());
  byId("unkept").hidden = kept;
  byId("name").value = state.name || data.rater;
  if (state.name) {
    byId("how").open = false;
    show("");
    byId("saved").textContent = "\u00b7 kept in this browser";
  } else {
    byId("name").focus();
    byId("name").select();
  }
})();
