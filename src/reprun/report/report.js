"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { run: RUN, reference: REFERENCE } = document.body.dataset;
  const items = [...document.querySelectorAll(".item")];
  const folders = [...document.querySelectorAll(".folder")];
  document.documentElement.classList.add("js");

  const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const f = (x) => x.toFixed(2);
  const short = (x) => (x === null ? "not finite" : String(Number(x.toPrecision(6))));
  // A title is a string, or pieces [text, place, slanted]; the place is a way of ^ and _.
  const plain = (title) => (Array.isArray(title) ? title.map(([text]) => text).join("") : title || "");
  function set(title, size) {
    if (!Array.isArray(title)) return escaped(title || "");
    let out = "", height = 0;
    for (const [text, place, slanted] of title) {
      let scale = 1, wanted = 0;
      for (const c of place) { wanted += (c === "^" ? -0.4 : 0.24) * size * scale; scale *= 0.76; }
      out += `<tspan dy="${f(wanted - height)}" font-size="${f(size * scale)}"${slanted ? ' font-style="italic"' : ""}>${escaped(text)}</tspan>`;
      height = wanted;
    }
    return out;
  }
  // A long title is set smaller, not cut off by the edge of the plot.
  function label(title, room, at) {
    const size = Math.max(7, Math.min(12.5, room / (0.56 * plain(title).length || 1)));
    return `<text ${at} style="font-size:${f(size)}px">${set(title, size)}</text>`;
  }
  const edgesOf = (p) => p.e || Array.from({ length: p.b[0] + 1 }, (_, i) =>
    i === p.b[0] ? p.b[2] : p.b[1] + (i * (p.b[2] - p.b[1])) / p.b[0]);
  const errorsOf = (values, errors) =>
    errors || (values && values.map((v) => (v === null ? null : Math.sqrt(Math.abs(v)))));
  const referenceOf = (p) => (p.s ? p.m : p.r);

  // From an interval of x to one of the screen; an axis of growing bins is logarithmic.
  function across(from, to, left, width, logs) {
    const T = logs ? Math.log10 : (x) => x, a = T(from), b = T(to);
    return (x) => left + ((T(x) - a) / (b - a)) * width;
  }

  function decades(low, high) {
    const all = [];
    for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++)
      for (let n = 1; n < 10; n++) all.push([n, n * 10 ** k]);
    const inside = all.filter(([, v]) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
    const few = inside.filter(([n]) => n === 1).length < 3;
    return { all: inside.map(([, v]) => v), named: inside.filter(([n]) => n === 1 || (few && (n === 2 || n === 5))).map(([, v]) => v) };
  }
  const number = (t) => (t !== 0 && (Math.abs(t) >= 1e5 || Math.abs(t) < 1e-3)
    ? t.toPrecision(6).replace(/\.?0+(e|$)/, "$1").replace(/e\+?/, "e") : String(Number(t.toPrecision(8)))).replace("-", "−");

  function niceTicks(low, high, count) {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((s) => s * power >= raw * 0.999);
    const ticks = [];
    for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + step * 1e-9; t += step)
      ticks.push(Math.abs(t) < step * 1e-9 ? 0 : t);
    return ticks;
  }

  function stepPath(edges, values, X, Y, base) {
    let path = "", open = false;
    values.forEach((v, i) => {
      if (v === null) { open = false; return; }
      const y = f(Y(v));
      path += open ? `V${y}` : base === null ? `M${f(X(edges[i]))} ${y}` : `M${f(X(edges[i]))} ${f(base)}V${y}`;
      path += `H${f(X(edges[i + 1]))}`;
      open = true;
      if (base !== null && (i + 1 === values.length || values[i + 1] === null)) path += `V${f(base)}Z`;
    });
    return path;
  }

  // On a phone a plot is narrower, not smaller: its letters stay as large as those around it.
  const WIDE = 620, W = Math.max(320, Math.min(WIDE, document.documentElement.clientWidth - 60));
  const L = 62, R = 14, H1 = 268, TOP = 26, H2 = 74, H3 = 74, GAP = 9;

  function frame(top, height, xTicks, X) {
    let out = `<rect class="frame" x="${L}" y="${top}" width="${W - L - R}" height="${height}"/>`;
    let ticks = "";
    for (const t of xTicks) {
      const x = f(X(t));
      ticks += `M${x} ${top}v5M${x} ${top + height}v-5`;
    }
    return out + `<path class="tick" d="${ticks}"/>`;
  }

  function yLabels(ticks, Y, text) {
    let out = "", path = "";
    for (const t of ticks) {
      const y = Y(t);
      path += `M${L} ${f(y)}h5M${W - R} ${f(y)}h-5`;
      out += `<text x="${L - 7}" y="${f(y + 4)}" text-anchor="end">${text(t)}</text>`;
    }
    return out + `<path class="tick" d="${path}"/>`;
  }

  // A flow bin in which both sides differ is one more column, behind a dashed line.
  function withFlow(p) {
    const shown = [0, 1].filter((k) => p.fp && p.fp[k] !== 0);
    if (!shown.length) return { ...p, ends: [] };
    const edges = [...edgesOf(p)], first = edges[0], last = edges[edges.length - 1];
    const beyond = (k) => (p.g ? (k ? last * (last / first) ** 0.05 : first / (last / first) ** 0.05)
      : k ? last + (last - first) * 0.05 : first - (last - first) * 0.05);
    const roots = (values, errors) => errors || values.map((v) => Math.sqrt(Math.abs(v || 0)));
    const made = { ...p, m: [...p.m], r: [...p.r], me: [...roots(p.m, p.me)], re: [...roots(p.r, p.re)], p: [...p.p], ends: [] };
    const add = (name, value, k) => { if (k) made[name].push(value); else made[name].unshift(value); };
    for (const k of shown) {
      if (k) edges.push(beyond(k)); else edges.unshift(beyond(k));
      add("m", p.mf[k], k); add("r", p.rf[k], k); add("me", p.mfe[k], k); add("re", p.rfe[k], k); add("p", p.fp[k], k);
      if (p.l) made.l = k ? [...made.l, "overflow"] : ["underflow", ...made.l];
      made.ends.push(k);
    }
    return { ...made, e: edges };
  }

  // Contents by the width of their bins; what flows over has no width and stays below the plot.
  function byWidth(p) {
    const edges = edgesOf(p), made = { ...p, yt: p.yd, fp: null };
    for (const [values, errors] of [["m", "me"], ["r", "re"]]) if (p[values]) {
      const divided = (array) => array.map((v, i) => (v === null ? null : v / (edges[i + 1] - edges[i])));
      made[errors] = divided(errorsOf(p[values], p[errors]));
      made[values] = divided(p[values]);
    }
    return made;
  }

  const MOST_BARS = 150;

  function draw(given, log, divided) {
    const stored = divided ? byWidth(given) : given;
    const p = withFlow(stored), edges = edgesOf(p), m = p.m, r = referenceOf(p);
    const dots = p.k === "p";
    const me = errorsOf(m, p.me), re = p.s ? me : errorsOf(r, p.re);
    const ml = p.ml || me, rl = p.s ? ml : p.rl || re;
    const lo = edges[0], hi = edges[edges.length - 1];
    const X = across(lo, hi, L, W - L - R, p.g);
    const inner = edgesOf(given), from = inner[0], to = inner[inner.length - 1];
    const named = p.l ? [] : p.g ? decades(from, to).named : niceTicks(from, to, W < 480 ? 4 : 8).filter((t) => t >= from && t <= to);
    const xTicks = p.g ? decades(from, to).all : named;
    const both = m && r;
    const tops = [], finite = [];
    for (const [v, e, l] of [[m, me, ml], [r, re, rl]]) if (v) v.forEach((x, i) => {
      if (x !== null) { finite.push(x); tops.push(x + (e[i] || 0)); if (dots) tops.push(x - (l[i] || 0)); }
    });
    // Contents stand on zero; a mean or a share need not.
    let [low, high] = dots && tops.length ? minMax(tops) : [Math.min(0, ...minMax(finite)), Math.max(0, ...minMax(tops))];
    const positive = finite.filter((x) => x > 0);
    log = log && positive.length > 0;
    if (log) {
      const least = minMax(positive)[0];
      low = least * 0.4;
      high = Math.max(high, least) * (high / low > 1e3 ? 8 : 3);
    } else {
      if (high === low) high = low + 1;
      const span = high - low;
      high += span * 0.16;
      if (low < 0 || dots) low -= span * 0.08;
    }
    const floor = TOP + H1;
    const Y = log
      ? (v) => (v > 0 ? Math.max(TOP, Math.min(floor, floor - (Math.log10(v / low) / Math.log10(high / low)) * H1)) : floor)
      : (v) => floor - ((v - low) / (high - low)) * H1;
    const base = log ? floor : Y(0);
    let svg = "";

    const hot = new Set();
    if (p.p) p.p.forEach((v, i) => { if (v === null || Math.abs(v) > (p.d || 0)) hot.add(i); });
    if (hot.size && hot.size <= 60 && hot.size <= edges.length / 3) for (const i of hot)
      svg += `<rect class="mark-bin" x="${f(X(edges[i]))}" y="${TOP}" width="${f(X(edges[i + 1]) - X(edges[i]))}" height="${H1}"/>`;
    if (r && dots) svg += boxes(edges, r, re, rl, X, Y);
    else if (r) {
      svg += `<path class="area" d="${stepPath(edges, r, X, Y, base)}"/>`;
      svg += `<path class="refline" d="${stepPath(edges, r, X, Y, null)}"/>`;
    }
    if (m) svg += points(edges, m, me, ml, X, Y, hot, log, p.xs);
    svg += frame(TOP, H1, xTicks, X);
    if (log) {
      const ticks = [];
      for (let k = Math.ceil(Math.log10(low)); k <= Math.log10(high); k++) ticks.push(k);
      const every = Math.ceil(ticks.length / 7);
      svg += yLabels(ticks.filter((k) => k % every === 0).map((k) => 10 ** k), Y, (t) => power(Math.round(Math.log10(t))));
      let minor = "";
      if (ticks.length < 9) for (let k = Math.floor(Math.log10(low)); k <= Math.log10(high); k++)
        for (let n = 2; n < 10; n++) { const v = n * 10 ** k; if (v > low && v < high) minor += `M${L} ${f(Y(v))}h3M${W - R} ${f(Y(v))}h-3`; }
      svg += `<path class="tick" d="${minor}"/>`;
    } else {
      const biggest = Math.max(Math.abs(low), Math.abs(high));
      const k = biggest >= 1e5 || biggest < 1e-3 ? Math.floor(Math.log10(biggest)) : 0;
      const ticks = niceTicks(low, high, 6).filter((t) => t <= high - (high - low) * 0.03);
      svg += yLabels(ticks, Y, (t) => String(Number((t / 10 ** k).toPrecision(6))).replace("-", "−"));
      if (k) svg += `<text x="${L}" y="${TOP - 8}" class="dim">×${power(k)}</text>`;
    }
    svg += legend(p, m, r, dots);
    if (p.yt) svg += label(p.yt, H1, `text-anchor="end" transform="translate(13 ${TOP}) rotate(-90)"`);

    let top = floor + GAP, bottom = floor;
    if (both) {
      svg += ratio(edges, m, me, r, re, X, top, hot, xTicks, p.xs);
      bottom = top + H2;
      if (p.p) {
        top = bottom + GAP;
        svg += pulls(edges, p.p, X, top, xTicks);
        bottom = top + H3;
      }
    }
    for (const k of p.ends) {
      const x = X(k ? to : from);
      svg += `<path class="flow-edge" d="M${f(x)} ${TOP}V${f(bottom)}"/>`;
      if (!p.l) svg += `<text class="dim" x="${f(k ? W - R - 2 : L + 2)}" y="${TOP + 14}" text-anchor="${k ? "end" : "start"}" font-size="10">${k ? "overflow" : "underflow"}</text>`;
    }
    if (p.l) {
      const skip = Math.ceil(p.l.length / (W < 480 ? 7 : 14));
      p.l.forEach((label, i) => { if (i % skip === 0)
        svg += `<text x="${f((X(edges[i]) + X(edges[i + 1])) / 2)}" y="${bottom + 16}" text-anchor="middle">${escaped(label)}</text>`; });
    }
    // The last label may reach beyond the axis, but not beyond the picture.
    for (const t of named) svg += `<text x="${f(Math.min(X(t), W - 4 * number(t).length))}" y="${bottom + 16}" text-anchor="middle">${number(t)}</text>`;
    svg += label(p.x, W - L - R, `x="${W - R}" y="${bottom + 34}" text-anchor="end"`);
    const flows = flow(given);
    if (flows) svg += label(flows, W - L - R, `class="dim" x="${L}" y="${bottom + 52}"`);
    if (edges.length <= 401) svg += probes(edges, p, m, me, r, re, X, TOP, bottom - TOP);
    return `<svg viewBox="0 0 ${W} ${bottom + (flows ? 60 : 42)}" role="img" aria-label="${escaped(p.t || "histogram")}">${svg}</svg>`;
  }

  // Two axes: contents as a map, and beside it the pulls where both sides are there and differ.
  function drawMap(p, log) {
    const W = WIDE;
    const xs = edgesOf(p), ys = edgesOf(p.y), nx = xs.length - 1, ny = ys.length - 1;
    const panes = [[p.m || p.r, p.m ? (p.s ? `${RUN} = ${REFERENCE}` : RUN) : REFERENCE, false]];
    if (p.p) panes.push([p.p, "pull", true]);
    const gap = 96, width = panes.length > 1 ? (W - L - R - gap - 40) / 2 : W - L - R - 60, height = 250;
    let svg = "";
    panes.forEach(([values, name, signed], k) => {
      const left = L + k * (width + gap);
      const X = across(xs[0], xs[nx], left, width, p.g);
      const Y = across(ys[0], ys[ny], TOP + height, -height, p.y.g);
      const finite = values.filter((v) => v !== null);
      let [low, high] = finite.length ? minMax(finite) : [0, 1];
      if (signed) { high = Math.max(1, -low, high); low = -high; }
      const positive = finite.filter((v) => v > 0);
      const logs = log && !signed && positive.length;
      if (logs) low = minMax(positive)[0];
      const share = (v) => (high === low ? 0.5 : logs ? (v > 0 ? Math.log(v / low) / Math.log(high / low || 2) : 0) : (v - low) / (high - low));
      svg += picture(xs, ys, values, X, Y, left, width, height, share, signed);
      svg += `<rect class="frame" x="${f(left)}" y="${TOP}" width="${f(width)}" height="${height}"/>`;
      for (const t of p.l ? [] : p.g ? decades(xs[0], xs[nx]).named : niceTicks(xs[0], xs[nx], 4)) svg += `<text x="${f(X(t))}" y="${TOP + height + 16}" text-anchor="middle">${short(t)}</text>`;
      for (const t of p.y.l ? [] : p.y.g ? decades(ys[0], ys[ny]).named : niceTicks(ys[0], ys[ny], 5)) svg += `<text x="${f(left - 6)}" y="${f(Y(t) + 4)}" text-anchor="end">${short(t)}</text>`;
      for (const [labels, edges, along] of [[p.l, xs, true], [p.y.l, ys, false]]) if (labels) {
        const skip = Math.ceil(labels.length / (along ? 7 : 14));
        labels.forEach((label, i) => { if (i % skip === 0) {
          const at = (edges[i] + edges[i + 1]) / 2;
          svg += along ? `<text x="${f(X(at))}" y="${TOP + height + 16}" text-anchor="middle">${escaped(label)}</text>` : `<text x="${f(left - 6)}" y="${f(Y(at) + 4)}" text-anchor="end">${escaped(label)}</text>`;
        } });
      }
      svg += `<text x="${f(left)}" y="${TOP - 9}">${escaped(name)}</text>`;
      svg += label(p.x || "x", width, `class="dim" x="${f(left + width)}" y="${TOP + height + 34}" text-anchor="end"`);
      svg += label(p.y.x || "y", height, `class="dim" text-anchor="middle" transform="translate(${f(left - 42)} ${TOP + height / 2}) rotate(-90)"`);
      const steps = 24, bar = left + width + 8;
      for (let i = 0; i < steps; i++) svg += `<rect x="${f(bar)}" y="${f(TOP + height - ((i + 1) * height) / steps)}" width="9" height="${f(height / steps + 0.5)}" fill="${colour((i + 0.5) / steps, signed)}"/>`;
      svg += `<text x="${f(bar + 12)}" y="${TOP + 10}">${short(Number(high.toPrecision(3)))}</text><text x="${f(bar + 12)}" y="${TOP + height}">${short(Number(low.toPrecision(3)))}</text>`;
    });
    if (p.n) svg += `<text class="dim" x="${L}" y="${TOP + height + 52}">${escaped(p.n)}</text>`;
    return `<svg viewBox="0 0 ${W} ${TOP + height + (p.n ? 60 : 42)}" role="img" aria-label="${escaped(p.t || "map")}">${svg}</svg>`;
  }

  function picture(xs, ys, values, X, Y, left, width, height, share, signed) {
    const canvas = document.createElement("canvas"), scale = 2, ny = ys.length - 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    values.forEach((v, i) => {
      // Nothing there is left blank; no pull is not a colour.
      if (v === 0 && !signed) return;
      const a = Math.floor(i / ny), b = i % ny;
      const x = Math.round((X(xs[a]) - left) * scale), y = Math.round((Y(ys[b + 1]) - TOP) * scale);
      pen.fillStyle = v === null ? "#888" : colour(share(v), signed);
      pen.fillRect(x, y, Math.round((X(xs[a + 1]) - left) * scale) - x, Math.round((Y(ys[b]) - TOP) * scale) - y);
    });
    return `<image x="${f(left)}" y="${TOP}" width="${f(width)}" height="${height}" href="${canvas.toDataURL()}"/>`;
  }

  // Both scales read without green and red: light to dark blue, and blue over grey to orange.
  function colour(t, signed) {
    const stops = signed ? [[33, 102, 172], [146, 190, 220], [240, 240, 240], [244, 170, 110], [178, 60, 20]]
      : [[225, 234, 244], [158, 196, 226], [88, 148, 200], [34, 92, 156], [8, 40, 92]];
    const at = Math.max(0, Math.min(1, t)) * (stops.length - 1), i = Math.min(stops.length - 2, Math.floor(at));
    return `rgb(${stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (at - i))).join(",")})`;
  }

  function minMax(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
    return values.length ? [low, high] : [];
  }

  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  function power(k) {
    if (k === 0) return "1";
    if (k === 1) return "10";
    return "10" + (k < 0 ? "⁻" : "") + [...String(Math.abs(k))].map((d) => digits[d]).join("");
  }

  // A reference of points: a band of its errors and a line, as wide as the column of the point.
  function boxes(edges, r, re, rl, X, Y) {
    let band = "", line = "";
    r.forEach((v, i) => {
      if (v === null) return;
      const a = f(X(edges[i])), b = f(X(edges[i + 1]));
      band += `M${a} ${f(Y(v + (re[i] || 0)))}H${b}V${f(Y(v - (rl[i] || 0)))}H${a}Z`;
      line += `M${a} ${f(Y(v))}H${b}`;
    });
    return `<path class="band" d="${band}"/><path class="refline" d="${line}"/>`;
  }

  // Many points: a line and a band of errors, and as points with bars only those that differ.
  function ribbon(edges, values, up, down, X, Y) {
    let band = "";
    values.forEach((v, i) => {
      if (v !== null && (up[i] || down[i]))
        band += `M${f(X(edges[i]))} ${f(Y(v + (up[i] || 0)))}H${f(X(edges[i + 1]))}V${f(Y(v - (down[i] || 0)))}H${f(X(edges[i]))}Z`;
    });
    return `<path class="runband" d="${band}"/><path class="runline" d="${stepPath(edges, values, X, Y, null)}"/>`;
  }

  function points(edges, m, me, ml, X, Y, hot, log, xs) {
    const many = m.length > MOST_BARS;
    const radius = many ? 1.5 : m.length > 60 ? 2 : 2.7;
    let bars = "", hotBars = "", dots = "";
    m.forEach((v, i) => {
      if (v === null || (log && v <= 0) || (many && !hot.has(i))) return;
      if (v === 0 && !me[i] && !hot.has(i) && !xs) return;
      const x = f(xs ? X(xs[i]) : (X(edges[i]) + X(edges[i + 1])) / 2);
      if (me[i] || ml[i]) {
        const bar = `M${x} ${f(Y(v + (me[i] || 0)))}V${f(Y(v - (ml[i] || 0)))}`;
        if (hot.has(i)) hotBars += bar; else bars += bar;
      }
      dots += `<circle class="runpt${hot.has(i) ? " hot" : ""}" cx="${x}" cy="${f(Y(v))}" r="${radius}"/>`;
    });
    return `${many ? ribbon(edges, m, me, ml, X, Y) : ""}<path class="runbar" d="${bars}"/><path class="runbar hotbar" d="${hotBars}"/>${dots}`;
  }

  function legend(p, m, r, dots) {
    let x = L, out = "";
    const y = TOP - 9;
    const entry = (sign, text) => { out += sign(x) + `<text x="${x + 26}" y="${y}">${escaped(text)}</text>`; x += 40 + text.length * 6.6; };
    x = L + 60;
    const sign = (a) => (m.length > MOST_BARS ? `<rect class="runband" x="${a}" y="${y - 9}" width="20" height="9"/><path class="runline" d="M${a} ${f(y - 4.5)}h20"/>`
      : `<path class="runbar" d="M${a + 10} ${y - 11}v14"/><circle class="runpt" cx="${a + 10}" cy="${y - 4}" r="2.7"/>`);
    if (m) entry(sign, RUN === "run" ? "this run" : RUN);
    if (r) entry((a) => `<rect class="area" x="${a}" y="${y - 10}" width="20" height="11"/><path class="refline" d="M${a} ${y - 10}h20"/>`, p.s ? `${REFERENCE} (identical)` : REFERENCE);
    if (p.n) out += `<text class="dim" x="${L + 8}" y="${TOP + (dots ? H1 - 8 : p.ends && p.ends.length ? 30 : 16)}">${escaped(p.n)}</text>`;
    return out;
  }

  function ratio(edges, m, me, r, re, X, top, hot, xTicks, xs) {
    let spread = 0.02;
    const values = m.map((v, i) => (v === null || !r[i] ? null : v / r[i]));
    values.forEach((v) => { if (v !== null) spread = Math.max(spread, Math.min(1, Math.abs(v - 1) * 1.25)); });
    const errors = m.map((v, i) => (r[i] && me[i] ? me[i] / Math.abs(r[i]) : 0));
    const typical = errors.filter((e) => e > 0).sort((a, b) => a - b);
    if (typical.length) spread = Math.max(spread, Math.min(1, 1.6 * typical[Math.floor(typical.length / 2)]));
    const Y = (v) => top + H2 / 2 - (Math.max(-1, Math.min(1, (v - 1) / spread)) * H2) / 2;
    const many = m.length > MOST_BARS;
    let band = "", bars = "", hotBars = "", dots = "";
    values.forEach((v, i) => {
      if (v === null) return;
      const e = re[i] ? re[i] / Math.abs(r[i]) : 0;
      if (e) band += `M${f(X(edges[i]))} ${f(Y(1 + e))}H${f(X(edges[i + 1]))}V${f(Y(1 - e))}H${f(X(edges[i]))}Z`;
      if (many && !hot.has(i)) return;
      const x = f(xs ? X(xs[i]) : (X(edges[i]) + X(edges[i + 1])) / 2);
      const bar = `M${x} ${f(Y(v + errors[i]))}V${f(Y(v - errors[i]))}`;
      if (hot.has(i)) hotBars += bar; else bars += bar;
      dots += `<circle class="runpt${hot.has(i) ? " hot" : ""}" cx="${x}" cy="${f(Y(v))}" r="${many ? 1.4 : 2}"/>`;
    });
    const mid = Y(1);
    return `<path class="band" d="${band}"/><path class="unit-line" d="M${L} ${f(mid)}H${W - R}"/>${many ? ribbon(edges, values, errors, errors, X, Y) : ""}<path class="runbar" d="${bars}"/><path class="runbar hotbar" d="${hotBars}"/>${dots}` +
      frame(top, H2, xTicks, X) + yLabels(rounded(1, spread), Y, (t) => String(Number(t.toPrecision(6)))) + side(top, H2, "ratio");
  }

  function rounded(centre, spread) {
    const most = spread * 0.9, power = 10 ** Math.floor(Math.log10(most));
    const use = power * [5, 2, 1].find((step) => step * power <= most * 1.001);
    return [centre - use, centre, centre + use];
  }

  function side(top, height, text) {
    return `<text class="dim" text-anchor="middle" transform="translate(13 ${top + height / 2}) rotate(-90)">${text}</text>`;
  }

  function pulls(edges, values, X, top, xTicks) {
    let most = 1;
    values.forEach((v) => { if (v !== null) most = Math.max(most, Math.abs(v)); });
    most *= 1.15;
    const Y = (v) => top + H3 / 2 - (Math.max(-1, Math.min(1, v / most)) * H3) / 2;
    let bars = "";
    values.forEach((v, i) => {
      if (v === 0) return;
      const a = Y(0), b = v === null ? top : Y(v), w = Math.max(1, X(edges[i + 1]) - X(edges[i]) - 0.6);
      bars += `<rect class="pullbar${v === null || Math.abs(v) > 3 ? " hot" : ""}" x="${f(X(edges[i]) + 0.3)}" y="${f(Math.min(a, b))}" width="${f(w)}" height="${f(Math.max(0.8, Math.abs(a - b)))}"/>`;
    });
    return `<path class="unit-line" d="M${L} ${f(Y(0))}H${W - R}"/>${bars}` + frame(top, H3, xTicks, X) +
      yLabels(rounded(0, most), Y, (t) => String(Number(t.toPrecision(3))).replace("-", "−")) + side(top, H3, "pull");
  }

  function flow(p) {
    const side = (name, k) => {
      const a = p.mf ? p.mf[k] : undefined, b = p.s ? a : p.rf ? p.rf[k] : undefined;
      if (a === undefined) return b ? `${name} ${short(b)}` : "";
      if (b !== undefined && a !== b) return `${name} ${short(a)}, ${REFERENCE} ${short(b)}`;
      return a ? `${name} ${short(a)}` : "";
    };
    return [side("underflow", 0), side("overflow", 1)].filter(Boolean).join(" · ");
  }

  function probes(edges, p, m, me, r, re, X, top, height) {
    let out = "";
    const value = (name, v, e, i) => (v ? `\n${name} ${short(v[i])}${e && e[i] ? ` ± ${short(Number(e[i].toPrecision(3)))}` : ""}` : "");
    for (let i = 0; i + 1 < edges.length; i++) {
      const low = p.ends.includes(0) ? 1 : 0, name = i < low ? "underflow" : p.ends.includes(1) && i + 2 === edges.length ? "overflow" : "";
      const where = p.l ? p.l[i] : `[${short(edges[i])}, ${short(edges[i + 1])})`;
      const text = (name || `bin ${i + 1 - low} ${where}`) + value(RUN, m, me, i) + value(REFERENCE, r, re, i) + (p.p && p.p[i] ? `\npull ${short(Number(p.p[i].toPrecision(3)))}` : "");
      out += `<rect class="probe" x="${f(X(edges[i]))}" y="${top}" width="${f(X(edges[i + 1]) - X(edges[i]))}" height="${height}"><title>${escaped(text)}</title></rect>`;
    }
    return out;
  }

  function spark(p) {
    const w = 136, h = 34, edges = edgesOf(p), m = p.m, r = referenceOf(p);
    const all = [...(m || []), ...(r || [])].filter((v) => v !== null);
    const [low, high] = [Math.min(0, ...minMax(all)), Math.max(0, ...minMax(all))];
    const lo = edges[0], hi = edges[edges.length - 1];
    const X = across(lo, hi, 0, w, p.g);
    const Y = (v) => h - 2 - ((v - low) / (high - low || 1)) * (h - 5);
    let svg = "";
    if (r) svg += `<path class="area" d="${stepPath(edges, r, X, Y, Y(0))}"/>`;
    if (m) svg += `<path class="refline" style="stroke:var(--${p.s ? "refline" : "run"})" d="${stepPath(edges, m, X, Y, null)}"/>`;
    return `<svg width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" aria-hidden="true">${svg}</svg>`;
  }

  let allLog = false;
  function figure(panel) {
    const holder = document.createElement("div");
    holder.className = "plot";
    let log = allLog, divided = false;
    const paint = () => {
      holder.innerHTML = panel.k === "m" ? drawMap(panel, log) : draw(panel, log, divided);
      const scales = document.createElement("div");
      scales.className = "scales";
      const button = (text, title, change) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = text;
        made.title = title;
        made.addEventListener("click", () => { change(); paint(); });
        scales.append(made);
      };
      if (panel.yd) button(divided ? "per bin" : "per width", "divide contents by the widths of their bins, or do not", () => { divided = !divided; });
      button(log ? "linear" : "log", "change the scale of this plot", () => { log = !log; });
      holder.append(scales);
    };
    paint();
    return holder;
  }

  function fill(item) {
    const place = item.querySelector(".figures");
    if (!place.childElementCount) place.replaceChildren(...data[item.dataset.i].map(figure));
  }

  const visible = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      const item = entry.target, panels = data[item.dataset.i], place = item.querySelector(".spark");
      const line = panels.find((panel) => panel.k !== "m");
      if (line && !place.childElementCount) place.innerHTML = spark(line);
      if (item.open) fill(item);
    }
  }, { rootMargin: "600px" });
  items.forEach((item, i) => {
    visible.observe(item);
    item.addEventListener("toggle", () => {
      if (!item.open) return;
      visible.unobserve(item);
      visible.observe(item);
    });
    if (item.open && i < 12) fill(item);
  });
  addEventListener("beforeprint", () => items.filter((item) => item.open && !item.hidden).forEach(fill));

  const chips = [...document.querySelectorAll(".chip")], search = document.getElementById("search");
  const texts = items.map((item) => item.querySelector("summary").textContent.toLowerCase());
  function filter() {
    const wanted = new Set(chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.verdict));
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, i) => {
      item.hidden = !(wanted.has(item.dataset.verdict) && words.every((word) => texts[i].includes(word)));
      if (!item.hidden) shown++;
    });
    for (const folder of folders) {
      const inside = [...folder.querySelectorAll(".item")].filter((item) => !item.hidden).length;
      folder.hidden = !inside;
      folder.querySelector("b").textContent = inside;
      // A search looks into directories, and leaves them as they were.
      if (words.length && !folder.open) { folder.open = inside > 0; folder.dataset.found = folder.open; }
      else if (!words.length && folder.dataset.found === "true") { folder.open = false; delete folder.dataset.found; }
    }
    document.getElementById("showing").textContent = `${shown} of ${items.length} shown`;
    document.getElementById("nothing").hidden = shown > 0;
  }
  const toggle = (button) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    return on;
  };
  chips.forEach((chip) => chip.addEventListener("click", () => { toggle(chip); filter(); }));
  search.addEventListener("input", filter);
  const openAll = document.getElementById("open-all");
  openAll.addEventListener("click", () => {
    const open = openAll.textContent === "open all";
    for (const one of [...folders, ...items]) if (!one.hidden) one.open = open;
    openAll.textContent = open ? "close all" : "open all";
  });
  document.getElementById("all-log").addEventListener("click", (event) => {
    allLog = toggle(event.currentTarget);
    items.forEach((item) => {
      const place = item.querySelector(".figures");
      if (place.childElementCount) { place.replaceChildren(); if (item.open) fill(item); }
    });
  });
  filter();
})();
