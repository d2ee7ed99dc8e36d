"use strict";
// Columns that can be sorted: a table of class "sortable". A cell's data-value goes before its text.
document.querySelectorAll("table.sortable").forEach(function (table) {
  var heads = Array.prototype.slice.call(table.tHead.rows[table.tHead.rows.length - 1].cells);
  function key(row, at) {
    var cell = row.cells[at], text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
    var number = parseFloat(text.replace("\u2212", "-"));
    return isNaN(number) ? text.toLowerCase() : number;
  }
  heads.forEach(function (head, at) {
    var button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
      var rows = Array.prototype.slice.call(body.rows);
      rows.sort(function (a, b) {
        var x = key(a, at), y = key(b, at);
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;  // numbers first, whichever way
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      });
      rows.forEach(function (row) { body.appendChild(row); });
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
});
