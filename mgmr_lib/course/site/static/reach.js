// What can be scrolled sideways can be reached with the keyboard, and the theme's two asides have names.
(function () {
  "use strict";
  var SCROLLED = "pre, .table-wrapper, .course-math, .cell_output";

  function reach() {
    document.querySelectorAll(SCROLLED).forEach(function (part) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    [[".sidebar-drawer", "The course"], [".toc-drawer", "This page"]].forEach(function (named) {
      var aside = document.querySelector("aside" + named[0]);
      if (aside) aside.setAttribute("aria-label", named[1]);
    });
    new ResizeObserver(reach).observe(document.querySelector("article") || document.body);
    document.addEventListener("toggle", reach, true);
  });
})();
