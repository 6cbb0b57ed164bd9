// Draws what is in the element "data". Without it, or where something here fails, the page has its tables.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = Math.max(300, Math.min(1060, document.getElementById("main").clientWidth));
  const colour = (place) => `var(--s${place})`;
  const number = (name) => data.states.indexOf(name);
  // What went wrong, or nearly, has a mark on its colour too: lines in a square of 4 by 4.
  const MARKS = new Map([
    [number("retried"), [[1, 3, 3, 1]]],
    [number("failed"), [[0, 0, 4, 4], [4, 0, 0, 4]]],
    [number("timeout"), [[0, 2, 4, 2]]],
    [number("died"), [[2, 0, 2, 4]]]
  ]);
  const BAD = new Set(["failed", "timeout", "died"].map(number));
  const state = (name) => MARKS.has(number(name)) ? `url(#mark${number(name)})` : colour(number(name));

  const element = (name, attributes = {}, ...children) => {
    const made = name.startsWith("svg:")
      ? document.createElementNS(SVG, name.slice(4))
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const figure = (caption, ...drawn) =>
    element("figure", {}, element("figcaption", {}, caption), ...drawn);

  const legend = (entries) =>
    element("ul", {class: "legend"}, ...entries.map(([name, fill]) => element("li", {},
      element("svg:svg", {width: 12, height: 12, "aria-hidden": "true"},
        element("svg:rect", {width: 12, height: 12, fill})), ` ${name}`)));

  // The marked colours, for every picture of the page.
  const marked = () => element("svg:svg", {width: 0, height: 0, "aria-hidden": "true", class: "marks"},
    element("svg:defs", {}, ...[...MARKS].map(([state, lines]) => element("svg:pattern",
      {id: `mark${state}`, width: 6, height: 6, patternUnits: "userSpaceOnUse"},
      element("svg:rect", {width: 6, height: 6, fill: colour(state)}),
      ...lines.map(([x1, y1, x2, y2]) => element("svg:line", {x1: x1 + 1, y1: y1 + 1, x2: x2 + 1, y2: y2 + 1, class: "mark"}))))));

  const plotted = (label, options) => {
    const drawn = vendor.plot({width: WIDTH, height: 160, marginLeft: 60, ...options});
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", label);
    // one picture with one name: names of its parts may not stand on elements without a role
    drawn.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
    return drawn;
  };

  const MOST_NEEDLES = 40;
  const grouped = (counts, wide) =>
    Array.from({length: Math.ceil(counts.length / wide)}, (_, place) =>
      counts.slice(place * wide, (place + 1) * wide).reduce((sum, count) => sum + count, 0));

  const unpacked = async ({data: packed}) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  const charts = {
    graph() {
      const nodes = data.nodes.filter((node) => !node.nested);
      if (nodes.length < 2 || !data.edges.length) return [];
      const graph = new vendor.Graph({multigraph: true});
      graph.setGraph({nodesep: 20, ranksep: 30, marginx: 4, marginy: 4});
      graph.setDefaultEdgeLabel(() => ({}));
      const shown = (text) => (text.length > 30 ? `${text.slice(0, 29)}…` : text);
      nodes.forEach((node, place) =>
        graph.setNode(`${place}`, {label: node.id, width: 20 + 8 * shown(node.id).length, height: 30}));
      const places = new Map(nodes.map((node, place) => [node.id, `${place}`]));
      data.edges.forEach(({source, target}, place) => {
        if (places.has(source) && places.has(target))
          graph.setEdge(places.get(source), places.get(target), {}, `${place}`);
      });
      vendor.layout(graph);
      const {width, height} = graph.graph();
      const drawn = element("svg:svg", {
        viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "The nodes and their edges"
      });
      for (const edge of graph.edges()) {
        const points = graph.edge(edge).points.map(({x, y}) => `${x},${y}`);
        drawn.append(element("svg:polyline", {class: "edge", points: points.join(" ")}));
      }
      for (const place of graph.nodes()) {
        const {x, y, width: wide, height: high, label} = graph.node(place);
        drawn.append(
          element("svg:rect", {class: "box", x: x - wide / 2, y: y - high / 2, width: wide, height: high, rx: 4}),
          element("svg:text", {x, y: y + 5, "text-anchor": "middle", "font-size": 13}, shown(label))
        );
      }
      return [figure("The nodes and what comes after them", drawn)];
    },

    async timeline() {
      const {seconds, bins, nodes, limits, refusals} = data.series;
      const x = {domain: [0, bins * seconds], label: "seconds"};
      const KINDS = [["ok", "ok"], ["retried", "retried"], ["failed", "failed"]];
      const drawn = nodes.flatMap((node) => {
        // so many bins together that a bar is made of some items, and not a needle of one
        const total = KINDS.reduce((sum, [kind]) => sum + node[kind].reduce((all, count) => all + count, 0), 0);
        const wide = Math.ceil(bins / Math.max(MOST_NEEDLES, Math.min(bins, total / 10)));
        const ended = KINDS.flatMap(([kind]) => grouped(node[kind], wide).map((count, place) => {
          const [from, to] = [place * wide, Math.min(bins, (place + 1) * wide)];
          return {from: from * seconds, to: to * seconds, rate: count / (to - from) / seconds, kind};
        })).filter(({rate}) => rate > 0);
        const busy = node.in_flight.map((count, place) => ({at: place * seconds, count}));
        return [
          figure(`${node.node}: items a second`, plotted(`Items a second of ${node.node} over time`, {
            x, y: {label: "items/s", grid: true},
            color: {domain: KINDS.map(([kind]) => kind), range: KINDS.map(([, name]) => state(name))},
            marks: [vendor.rectY(ended, {x1: "from", x2: "to", y: "rate", fill: "kind", inset: 0}), vendor.ruleY([0])]
          })),
          figure(`${node.node}: in flight`, plotted(`Items of ${node.node} in flight over time`, {
            x, y: {label: "in flight", grid: true, zero: true},
            marks: [vendor.lineY(busy, {x: "at", y: "count", curve: "step"}), vendor.ruleY([0])]
          }))
        ];
      });
      if (drawn.length) drawn.push(legend(KINDS.map(([kind, name]) => [kind, state(name)])));
      for (const {key, steps} of limits) {
        const points = steps.map(([at, most]) => ({at, most})).filter(({most}) => most !== null);
        if (!points.length) continue;
        points.push({at: bins * seconds, most: points.at(-1).most});
        drawn.push(figure(`limit ${key}`, plotted(`How many at once the limit ${key} allowed, over time`, {
          x, y: {label: "at once", grid: true, zero: true},
          marks: [vendor.lineY(points, {x: "at", y: "most", curve: "step-after"}), vendor.ruleY([0])]
        })));
      }
      for (const one of data.lanes) {
        const used = one.lanes * one.group < one.slots ? `, of which it used the first ${one.lanes * one.group}` : "";
        const spanned = used + (one.group > 1 ? `, ${one.group} a lane` : "");
        const names = one.names.length ? `; from above: ${one.names.join(", ")}` : "";
        const caption = `${one.node}: what its ${one.slots} slots did${spanned}${names}`;
        drawn.push(figure(caption, lanes(await unpacked(one), one)));
      }
      const machine = [
        ["cores", "CPU cores in use", "cores", data.series.cores],
        ["memory", "memory of all processes", "MB", data.series.rss.map((one) => one === null ? null : one / 2 ** 20)]
      ];
      for (const [name, caption, label, values] of machine) {
        const seen = values.map((value, place) => ({at: place * seconds, value})).filter(({value}) => value !== null);
        if (seen.length < 2) continue;
        drawn.push(figure(caption, plotted(`The ${name} that the run had, over time`, {
          x, y: {label, grid: true, zero: true},
          marks: [vendor.lineY(seen, {x: "at", y: "value"}), vendor.ruleY([0])]
        })));
      }
      for (const {key, counts} of refusals) {
        const refused = counts.map((count, place) => ({at: place * seconds, count}));
        drawn.push(figure(`refused by ${key}`, plotted(`Calls refused by ${key} over time`, {
          x, y: {label: "calls", grid: true},
          marks: [vendor.areaY(refused, {x: "at", y: "count", fill: colour(8), curve: "step"}), vendor.ruleY([0])]
        })));
      }
      return drawn;
    },

    histograms() {
      return data.nodes.filter((node) => node.histogram).map(({id, histogram: {first, ratio, ok, failed}}) => {
        const bars = ok.flatMap((count, place) => {
          const from = first * ratio ** place;
          const ends = {from, to: from * ratio};
          return [{...ends, y1: 0, y2: count, kind: "ok"},
            {...ends, y1: count, y2: count + failed[place], kind: "failed"}];
        }).filter(({y1, y2}) => y2 > y1);
        return figure(`${id}: how long items took`, plotted(`Histogram of the durations of ${id}`, {
          x: {type: "log", label: "seconds"}, y: {label: "items", grid: true},
          color: {domain: ["ok", "failed"], range: [state("ok"), state("failed")]},
          marks: [vendor.rectY(bars, {x1: "from", x2: "to", y1: "y1", y2: "y2", fill: "kind"}), vendor.ruleY([0])]
        }));
      });
    },

    async items() {
      const drawn = [];
      const seen = new Set();
      for (const one of data.items) {
        const states = (await unpacked(one)).subarray(0, one.cells);
        drawn.push(figure(
          `${one.node}: ${one.items.toLocaleString("en")} items${one.group > 1 ? `, ${one.group} a cell` : ""}`,
          strip(states, one, seen)));
      }
      if (drawn.length)
        drawn.push(legend([...seen].sort((a, b) => a - b).map((one) => [data.states[one], state(data.states[one])])));
      return drawn;
    }
  };

  // Colours of a canvas do not follow the page's: it is drawn anew when those change.
  const canvas = (width, height, label, draw) => {
    const made = element("canvas", {width, height, role: "img", "aria-label": label});
    const drawing = () => {
      const style = getComputedStyle(document.documentElement);
      const context = made.getContext("2d");
      context.clearRect(0, 0, width, height);
      draw(context, data.states.map((_, one) => style.getPropertyValue(`--s${one}`)), style.getPropertyValue("--page"));
    };
    drawing();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawing);
    return made;
  };

  // A row for each lane: how busy it was is how opaque, and a mark below it where an item failed.
  const lanes = (bytes, {node, lanes: count, bins}) => {
    const high = Math.max(4, Math.min(16, Math.floor(320 / count)));
    const wide = WIDTH / bins;
    const ok = data.states.indexOf("ok");
    return canvas(WIDTH, high * count, `How busy each slot of ${node} was over time`, (context, colours) => {
      for (let place = 0; place < count * bins; place += 1) {
        const [x, y] = [wide * (place % bins), high * Math.floor(place / bins)];
        context.globalAlpha = bytes[place] ? 0.2 + 0.8 * bytes[place] / 200 : 0;
        context.fillStyle = colours[ok];
        context.fillRect(x, y, wide, high - 1);
        const worst = bytes[count * bins + place];
        if (worst === 255 || worst <= ok) continue;
        context.globalAlpha = 1;
        context.fillStyle = colours[worst];
        context.fillRect(x, y + high / 2, wide, high / 2 - 1);
      }
      context.globalAlpha = 1;
    });
  };

  const mark = (context, page, one, x, y, wide) => {
    if (!MARKS.has(one)) return;
    context.strokeStyle = page;
    context.lineWidth = 1;
    context.beginPath();
    for (const [x1, y1, x2, y2] of MARKS.get(one)) {
      context.moveTo(x + x1 * wide / 4, y + y1 * wide / 4);
      context.lineTo(x + x2 * wide / 4, y + y2 * wide / 4);
    }
    context.stroke();
  };

  // Cells in rows, from left to right.
  const strip = (states, {node, group}, seen) => {
    const side = states.length > 20000 ? 2 : states.length > 2000 ? 4 : 8;
    const across = Math.floor(WIDTH / side);
    const label = `The state of every item of ${node}, in order; the table says how many of each`;
    states.forEach((one) => seen.add(one));
    const made = canvas(WIDTH, side * Math.ceil(states.length / across), label, (context, colours, page) => {
      const gap = side > 2 ? 1 : 0;
      const wide = side - gap;
      const at = (place) => [side * (place % across), side * Math.floor(place / across)];
      const bad = [];
      states.forEach((one, place) => {
        context.fillStyle = colours[one];
        context.fillRect(...at(place), wide, wide);
        if (side > 2) mark(context, page, one, ...at(place), wide);
        else if (BAD.has(one)) bad.push(place);
      });
      // cells too small for a mark: what failed reaches beyond its own
      for (const place of bad) {
        const [x, y] = at(place);
        context.fillStyle = colours[states[place]];
        context.fillRect(x - 1, y - 1, side + 2, side + 2);
      }
    });
    made.addEventListener("mousemove", ({offsetX, offsetY}) => {
      const scale = WIDTH / made.clientWidth;
      const place = Math.floor(offsetY * scale / side) * across + Math.floor(offsetX * scale / side);
      made.title = place < states.length ? `${node}[${place * group}]: ${data.states[states[place]]}` : "";
    });
    return made;
  };

  const copying = (code) => {
    const button = element("button", {type: "button"}, "copy");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    });
    code.after(button);
  };

  const draw = async () => {
    document.getElementById("main").append(marked());
    for (const place of document.querySelectorAll("[data-chart]")) {
      try {
        place.append(...await charts[place.dataset.chart]());
        place.hidden = !place.childElementCount;
      } catch (error) {
        console.error(error);
      }
    }
    if (navigator.clipboard) document.querySelectorAll("code.command").forEach(copying);
    document.documentElement.dataset.ready = "";
  };
  draw();
})();
