// A bet hides the outputs up to its outcome until one has bet, or says that one does not want to.
// Bets are kept in this browser only. Without this script every output is in sight.
(function () {
  "use strict";

  function kept(id, value) {
    var key = "mgmr-bet-" + id;
    try {
      if (value !== undefined) localStorage.setItem(key, value);
      return localStorage.getItem(key);
    } catch (error) { // storage is switched off: the bet holds for this visit
      return value === undefined ? null : value;
    }
  }

  function isRight(form, bet, truth) {
    if (!form.dataset.rule) return bet === truth;
    var guess = parseFloat(bet), was = parseFloat(truth), by = parseFloat(form.dataset.by);
    if (form.dataset.rule === "within") return Math.abs(guess - was) <= by + 1e-9;
    return guess * was > 0 && guess / was <= by && was / guess <= by;
  }

  function inWords(form, bet) {
    var unit = form.dataset.unit;
    return bet + (unit ? (unit === "%" ? "" : " ") + unit : "");
  }

  function wait(part, more) { // an output may lie between several bets and their outcomes
    part.dataset.waits = (parseInt(part.dataset.waits, 10) || 0) + more;
    part.hidden = part.dataset.waits > 0;
  }

  function settle(form, bet, outcome, hidden, waiting) {
    hidden.forEach(function (part) { wait(part, -1); });
    waiting.remove();
    form.querySelectorAll("input, button").forEach(function (input) { input.disabled = true; });
    if (bet === null) return;
    var truth = outcome.dataset.truth, right = isRight(form, bet, truth);
    var said = "You bet " + inWords(form, bet) + (right ? ": right." : ": not what came out.");
    form.querySelector(".course-bet-said").textContent = said + " Read on for the outcome.";
    outcome.querySelector(".course-verdict").textContent = said + " It is " + truth + ".";
    outcome.classList.add(right ? "course-right" : "course-wrong");
  }

  function start(form) {
    var id = form.dataset.bet;
    var outcome = document.querySelector('[data-outcome="' + id + '"]');
    if (!outcome) return;
    var hidden = Array.from(document.querySelectorAll(".tag_bet-" + id.replace(".", "-") + " .cell_output"));
    var waiting = document.createElement("div");
    waiting.className = "course-waiting";
    waiting.innerHTML = "<p>What these cells print waits for your bet.</p><button type=button></button>";
    waiting.querySelector("button").textContent = "Show it without a bet";
    hidden.forEach(function (part) { wait(part, 1); });
    form.after(waiting);
    waiting.querySelector("button").addEventListener("click", function () {
      settle(form, null, outcome, hidden, waiting);
    });
    var input = form.querySelector("input"), shown = form.querySelector("output");
    function bet(value) { settle(form, kept(id, value), outcome, hidden, waiting); }
    form.addEventListener("input", function () { if (shown) shown.textContent = input.value; });
    form.addEventListener("change", function (event) {
      if (event.target.type === "radio") bet(event.target.value);
    });
    form.addEventListener("submit", function (event) { event.preventDefault(); bet(input.value); });
    var before = kept(id);
    if (before === null) return;
    form.querySelectorAll("input").forEach(function (field) {
      if (field.type === "radio") field.checked = field.value === before; else field.value = before;
    });
    if (shown) shown.textContent = before;
    if (form.dataset.rule || form.querySelector("input:checked")) settle(form, before, outcome, hidden, waiting);
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("form.course-bet").forEach(start);
  });
})();
