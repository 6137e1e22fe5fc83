// Turns the slides. Without this script they stand below each other, and the outcomes of bets stay hidden.
(function () {
  "use strict";
  var all = Array.prototype.slice.call(document.querySelectorAll(".slide"));
  var where = document.getElementById("where");
  var shown = all, at = 0;

  function shrink(body, name, fits) {
    for (var size = 1; size > 0.5 && !fits(); size -= 0.05) { body.style.setProperty(name, size.toFixed(2)); }
  }

  function fit(slide) { // smaller code where its lines are too long, smaller letters where the words do not fit
    var body = slide.querySelector(".body"), here = slide.classList.contains("now");
    if (!body) { return; }
    slide.classList.add("now"); // only what is displayed has a size
    function wide() { return body.scrollWidth <= body.clientWidth + 4; }
    shrink(body, "--code", wide);
    if (!wide()) { body.classList.add("wrap"); }
    shrink(body, "--fit", function () { return body.scrollHeight <= body.clientHeight + 4 && wide(); });
    if (!here) { slide.classList.remove("now"); }
  }

  function show(k) {
    shown[at].classList.remove("now");
    at = Math.max(0, Math.min(k, shown.length - 1));
    shown[at].classList.add("now");
    fit(shown[at]);
    where.textContent = (at + 1) + " / " + shown.length;
    history.replaceState(null, "", "#" + shown[at].id);
  }

  function next() {
    var hidden = shown[at].querySelector(".outcome[hidden]");
    if (!hidden) { show(at + 1); return; }
    hidden.hidden = false;
    fit(shown[at]);
  }

  function goTo(id) {
    var slide = document.getElementById(id), k = shown.indexOf(slide);
    if (k >= 0) { show(k); }
  }

  function choose(route) {
    var here = shown[at];
    here.classList.remove("now");
    shown = all.filter(function (slide) {
      var routes = slide.getAttribute("data-routes");
      var stays = !route || routes === null || routes.split(" ").indexOf(route) >= 0;
      slide.classList.toggle("out", !stays);
      return stays;
    });
    at = Math.max(0, shown.indexOf(here));
    show(at);
    all[1].querySelectorAll("li").forEach(function (row) {
      row.hidden = shown.indexOf(document.getElementById(row.querySelector("a").hash.slice(1))) < 0;
    });
  }

  var keys = {
    ArrowRight: next, ArrowDown: next, PageDown: next, " ": next, Enter: next,
    ArrowLeft: function () { show(at - 1); }, ArrowUp: function () { show(at - 1); }, PageUp: function () { show(at - 1); },
    Home: function () { show(0); }, End: function () { show(shown.length - 1); },
    c: function () { goTo("contents"); }, C: function () { goTo("contents"); }
  };
  document.addEventListener("keydown", function (event) {
    var target = event.target.tagName, own = /^(A|BUTTON)$/.test(target) && /^( |Enter)$/.test(event.key);
    if (!keys[event.key] || own || target === "INPUT" || event.ctrlKey || event.altKey || event.metaKey) { return; }
    event.preventDefault();
    keys[event.key]();
  });
  document.getElementById("next").addEventListener("click", next);
  document.getElementById("back").addEventListener("click", function () { show(at - 1); });
  document.addEventListener("change", function (event) {
    choose(event.target.value);
    event.target.blur(); // the arrows turn slides again
  });
  window.addEventListener("hashchange", function () { goTo(location.hash.slice(1)); });

  document.documentElement.classList.add("turns");
  window.addEventListener("beforeprint", function () { all.forEach(fit); });
  var wanted = location.hash.slice(1);
  show(0);
  goTo(wanted);
}());
