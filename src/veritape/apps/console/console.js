// Reads /console/data each second and writes it into the page as text. What is not known is a dash, never a zero.
const PERIOD_MS = 1000;
const STALE_MS = 3000;
const DISCONNECTED_MS = 10000;
const body = document.body;
const loaded = performance.now();
let last = null;
let lastAsOf = null;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const text = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? whole.format(value) : String(value));

function sum(families, name, labels = {}) {
  const series = (families[name] ?? []).filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value));
  const known = series.map((one) => one.value).filter((value) => value !== null);
  return known.length ? known.reduce((left, right) => left + right, 0) : null;
}

function difference(left, right) {
  return left === null || right === null ? null : left - right;
}

function showFigures(families) {
  const used = sum(families, "observer_track_b_slots_allocated");
  const limit = sum(families, "observer_track_b_slots_total");
  const limited = sum(families, "rate_limiter_requests_rejected_total");
  const values = {
    trades: sum(families, "observer_track_b_collection_speed"),
    recorded: sum(families, "observer_trades_recorded_total"),
    slots: used === null || limit === null ? null : `${text(used)} of ${text(limit)}`,
    sweeps: sum(families, "observer_track_a_cycles_total"),
    snapshots: sum(families, "observer_track_a_snapshots_total"),
    missing: sum(families, "observer_track_a_missing_total"),
    receipts: sum(families, "l2_receipts_total"),
    simulated: sum(families, "l2_receipts_total", { kind: "simulated" }),
    allowed: difference(sum(families, "rate_limiter_requests_total"), limited),
    limited,
  };
  for (const [name, value] of Object.entries(values)) {
    document.querySelector(`[data-figure="${name}"]`).textContent = text(value);
  }
}

function showParts(parts) {
  const items = Object.entries(parts).map(([name, up]) => {
    const item = document.createElement("li");
    item.textContent = up ? name : `${name} down`;
    item.className = up ? "" : "down";
    return item;
  });
  document.getElementById("parts").replaceChildren(...items);
  return Object.values(parts).filter((up) => !up).length;
}

function showTable(id, rows, cells, empty) {
  const table = document.getElementById(id);
  const labels = [...table.querySelectorAll("th")].map((head) => head.textContent);
  const found = (rows ?? []).map((row) => {
    const line = document.createElement("tr");
    cells(row).forEach((value, column) => {
      const cell = document.createElement("td");
      cell.dataset.label = labels[column];
      cell.append(Object.assign(document.createElement("span"), { textContent: text(value) }));
      if (labels[column] === "Residual" && value > 0) cell.className = "wrong";
      line.append(cell);
    });
    return line;
  });
  if (!found.length) {
    const line = document.createElement("tr");
    line.append(Object.assign(document.createElement("td"), { className: "empty", colSpan: labels.length, textContent: empty }));
    found.push(line);
  }
  table.tBodies[0].replaceChildren(...found);
}

function show(data) {
  const tables = data.tables ?? {};
  if (data.figures) {
    showFigures(data.figures.families);
    body.dataset.down = showParts(data.figures.part_up ?? {});
  }
  if (data.tables) {
    showTable("symbols", tables.symbols, (row) => [row.code, row.recorded, row.backfilled, row.residual], "No tick recorded yet: veritape up or veritape record feeds this.");
    showTable("segments", tables.segments, (row) => [row.day, row.name, row.hash], "No segment sealed yet.");
    showTable("receipts", tables.receipts, (row) => [row.id, row.program, row.day, row.kind === "simulated" ? "executed, not proven" : row.kind], "No receipt yet.");
  }
  const banner = document.getElementById("banner");
  banner.textContent = (data.errors ?? []).join(" · ");
  banner.hidden = !banner.textContent;
  // Fresh means that the metrics page itself moved on, not only that the gateway answered.
  if (data.figures && data.figures.as_of_ns !== lastAsOf) {
    lastAsOf = data.figures.as_of_ns;
    last = performance.now();
  }
}

function showState() {
  const age = performance.now() - (last ?? loaded);
  const down = Number(body.dataset.down ?? 0);
  const state = age >= DISCONNECTED_MS ? "disconnected" : age >= STALE_MS ? "stale" : last === null ? "loading" : "live";
  body.dataset.state = state;
  const seconds = Math.floor(age / 1000);
  const said = {
    loading: "loading",
    live: "live",
    stale: `stale: figures are ${seconds} s old`,
    disconnected: `disconnected: last figures ${last === null ? "never came" : `${seconds} s ago`}, trying each second`,
  }[state];
  const place = document.getElementById("state");
  if (place.textContent !== said) place.textContent = said;
  const worst = state !== "live" && state !== "loading" ? `✕ ${state}` : down ? `✕ ${down} down` : "";
  document.title = worst ? `${worst} · veritape` : "veritape";
}

async function turn() {
  try {
    const response = await fetch("/console/data", { cache: "no-store", signal: AbortSignal.timeout(PERIOD_MS * 5) });
    if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
    show(await response.json());
  } catch (error) {
    const banner = document.getElementById("banner");
    banner.textContent = `The gateway does not answer (${error.message}): is veritape up running?`;
    banner.hidden = false;
  }
  showState();
  setTimeout(turn, PERIOD_MS);
}

for (const place of document.querySelectorAll("[data-source]")) place.title = place.dataset.source;
setInterval(showState, PERIOD_MS);
turn();
