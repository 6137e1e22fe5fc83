// Sliders show frames that were drawn when the notebook was built; a player shows them in turn.
(function () {
  "use strict";

  function start(box) {
    var sliders = Array.from(box.querySelectorAll("input[type=range]"));
    var picture = box.querySelector("img"), button = box.querySelector("button"), timer = null;

    function show() {
      var words = sliders.map(function (slider) {
        var said = JSON.parse(slider.dataset.said)[parseInt(slider.value, 10)];
        slider.setAttribute("aria-valuetext", said);
        slider.parentNode.querySelector("output").textContent = said;
        return slider.dataset.name + " = " + said;
      });
      var places = sliders.map(function (slider) { return slider.value; });
      picture.src = box.dataset.frames + "-" + places.join("-") + ".png";
      picture.alt = "The drawing for " + words.join(", ");
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
    }

    function next() {
      var slider = sliders[0], at = parseInt(slider.value, 10) + 1;
      if (at > parseInt(slider.max, 10)) return stop();
      slider.value = at;
      show();
    }

    box.hidden = false;
    box.addEventListener("input", function () {
      if (timer) stop();
      show();
    });
    if (button) button.addEventListener("click", function () {
      if (timer) return stop();
      if (sliders[0].value === sliders[0].max) sliders[0].value = 0;
      show();
      button.textContent = "Pause";
      timer = setInterval(next, parseInt(box.dataset.milliseconds, 10));
    });
    show(); // a browser may have kept the sliders' places over a reload
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll(".course-frames").forEach(start);
  });
})();
