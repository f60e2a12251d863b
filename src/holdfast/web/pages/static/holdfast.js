// Tells the page that something happened, so that its parts fetch themselves anew. Only a tab that is looked at holds
// a connection: browsers allow six to one host. Without a connection the parts ask every five minutes by themselves.
(function () {
  "use strict";
  var stream = null, again = 0;
  function tell(name) { document.body.dispatchEvent(new CustomEvent(name)); }
  // told once more a moment later: a part that was just fetching itself did not hear the first time
  function news() { tell("news"); clearTimeout(again); again = setTimeout(tell, 1500, "news"); }
  function listen() {
    if (stream || document.hidden || !document.querySelector("[hx-trigger*='news']")) return;
    stream = new EventSource("/live");
    stream.addEventListener("open", news); // what happened before anybody listened
    stream.addEventListener("news", news);
    stream.addEventListener("progress", function () { tell("progress"); });
  }
  function pause() { if (stream) { stream.close(); stream = null; } }
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) { pause(); } else { listen(); tell("news"); }
  });
  window.addEventListener("pagehide", pause);
  window.addEventListener("pageshow", listen);
  // a command is selected whole when it gets the focus, ready to copy
  document.addEventListener("focusin", function (event) {
    if (event.target.matches("code[tabindex]")) getSelection().selectAllChildren(event.target);
  });
})();
