// Small charts of the last two minutes, in SVG. Each says in words what it shows.

import { attribute, h, s, text } from "./dom.js";

const HEIGHT = 100;
const WIDTH = 240;

/** The least round number that is not below a value: for bytes a power of two, else 1, 2 or 5 times a power of ten. */
function ceiling(value, base) {
  if (!(value > 0)) return 1;
  if (base === 2) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.999);
}

/** The line through some points and the area below it; NaN leaves a gap. */
function paths(points, now, span, top) {
  let line = "";
  let area = "";
  let start = null;
  let last = null;
  const close = () => {
    if (start !== null) area += `L${last} ${HEIGHT}L${start} ${HEIGHT}Z`;
    start = null;
  };
  for (const [at, value] of points) {
    if (Number.isNaN(value)) {
      close();
      continue;
    }
    const x = (WIDTH * (1 - (now - at) / span)).toFixed(1);
    const y = (HEIGHT - (HEIGHT - 4) * Math.min(value / top, 1)).toFixed(1);
    line += `${start === null ? "M" : "L"}${x} ${y}`;
    area += `${start === null ? "M" : "L"}${x} ${y}`;
    start ??= x;
    last = x;
  }
  close();
  return { line, area };
}

/**
 * A chart without text: `draw(history, name, now)`; `base` 2 is for bytes. It stands beside its figure, so screen
 * readers pass over it.
 */
export function sparkline(base = 10) {
  const area = s("path", { class: "area" });
  const line = s("path", { class: "line" });
  const node = s(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  return {
    node,
    draw(history, name, now) {
      const span = history.span(now);
      const points = history.since(name, now - span);
      const most = points.reduce((max, [, value]) => (value > max ? value : max), 0);
      const drawn = paths(points, now, span, ceiling(most, base));
      attribute(line, "d", drawn.line);
      attribute(area, "d", drawn.area);
      return { points, most, span };
    },
  };
}

/** A chart with a heading, its figure and a scale: `draw(history, name, now, figure)`; `format` writes figures. */
export function chart(title, format, unit = "", base = 10) {
  const spark = sparkline(base);
  const from = h("span");
  attribute(spark.node, "aria-hidden", null);
  attribute(spark.node, "role", "img");
  const figure = h("span", { class: "figure" }, "–");
  const top = h("span", { class: "scale" });
  const node = h(
    "figure",
    { class: "chart" },
    h(
      "figcaption",
      null,
      h("span", { title }, title),
      h("span", { class: "value" }, figure, unit ? h("span", { class: "unit" }, ` ${unit}`) : null),
    ),
    h("div", { class: "plot" }, top, spark.node),
    h("div", { class: "axis", "aria-hidden": "true" }, from, h("span", null, "now")),
  );
  return {
    node,
    draw(history, name, now, value) {
      const { points, most, span } = spark.draw(history, name, now);
      const known = points.map(([, one]) => one).filter((one) => !Number.isNaN(one));
      const least = known.reduce((min, one) => Math.min(min, one), Infinity);
      text(figure, format(value));
      text(top, most > 0 ? format(ceiling(most, base)) : "");
      const ago = span < 119 ? `${Math.round(span)} s` : "2 min";
      text(from, `${ago} ago`);
      const range = known.length > 0 ? `; from ${format(least)} to ${format(most)} in the last ${ago}` : "";
      attribute(spark.node, "aria-label", `${title}: now ${format(value)} ${unit}${range}`.trim());
    },
  };
}
