// A finer picture in place of the bars that the server drew: values under the pointer, the axis in figures.
(function () {
  "use strict";
  var STEPS = Array.from({ length: 52 }, function (_none, power) { return Math.pow(2, power); });
  var UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  function size(value) {
    var unit = 0;
    while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) { value /= 1024; unit += 1; }
    return (unit && value % 1 ? value.toFixed(1) : String(Math.round(value))) + " " + UNITS[unit];
  }
  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function axis(more) {
    return Object.assign({ stroke: colour("--soft"), font: "12px Inter, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } }, more);
  }
  function draw(place) {
    if (place.classList.contains("drawn") || !window.uPlot) return;
    var data = JSON.parse(place.dataset.plot);
    var series = data.names.map(function (name, number) {
      return { label: name, stroke: colour("--accent"), width: number ? 1 : 1.75, dash: number ? [4, 4] : undefined,
        fill: number ? undefined : colour("--tint"), value: function (_plot, found) { return found === null ? "–" : size(found); }, points: { show: data.at.length < 40, size: 5, fill: colour("--accent") } };
    });
    place.classList.add("drawn");
    var plot = new uPlot({
      width: place.clientWidth, height: 200, tzDate: function (at) { return uPlot.tzDate(new Date(at * 1e3), "UTC"); },
      cursor: { y: false }, scales: { y: { range: function (_plot, _low, top) { return [0, top * 1.1 || 1]; } } },
      axes: [axis({ values: "{D} {MMM}" }), axis({ size: 76, incrs: STEPS, values: function (_plot, found) { return found.map(size); } })],
      hooks: { ready: [function () { requestAnimationFrame(rest); }] },
      series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }].concat(series)
    }, [data.at].concat(data.values), place);
    function rest() { plot.setLegend({ idx: data.at.length - 1 }); } // nothing under the pointer: the newest
    place.addEventListener("mouseleave", rest);
    new ResizeObserver(function () { plot.setSize({ width: place.clientWidth, height: 200 }); }).observe(place);
  }
  function all() { document.querySelectorAll("[data-plot]").forEach(draw); }
  document.addEventListener("DOMContentLoaded", all);
  document.addEventListener("htmx:afterSettle", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    document.querySelectorAll(".plot.drawn").forEach(function (place) {
      place.classList.remove("drawn"); place.querySelectorAll(".uplot").forEach(function (old) { old.remove(); }); draw(place);
    });
  });
})();
