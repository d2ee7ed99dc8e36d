"use strict";
// Rows of every table by words, level and role; and the entry that a link points to is opened.
(function () {
  var form = document.getElementById("filter"), find = document.getElementById("find");
  var level = document.getElementById("level"), only = document.getElementById("only"), count = document.getElementById("count");
  var rows = Array.prototype.slice.call(document.querySelectorAll("table.board tbody tr"));
  function apply() {
    var words = find.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var text = row.dataset.words.toLowerCase();
      var fits = words.every(function (word) { return text.indexOf(word) >= 0; });
      fits = fits && row.dataset.level >= level.value && (!only.checked || row.dataset.role === "system");
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = shown === rows.length ? "" : shown + " of " + rows.length + " rows";
  }
  function open() {
    var target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  }
  if (rows.length) {
    form.hidden = false;
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    [find, level, only].forEach(function (field) { field.addEventListener("input", apply); });
    apply();
  }
  window.addEventListener("hashchange", open);
  open();
})();
