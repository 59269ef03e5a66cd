// Copyright: (c) 2026, nec.expether contributors; SPDX-License-Identifier: GPL-3.0-or-later
// Draws the report from the JSON in the page. Texts from it are only ever set as text, never as HTML.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main"), dialog = document.getElementById("details");
const SVG = "http://www.w3.org/2000/svg";
const TYPES = ["GPU", "SSD", "NIC", "USB", "Multi", "SWITCH", "ACS", "Unknown"];
const SHORT = { Multi: "MULTI", SWITCH: "SW", Unknown: "?" };
const collator = new Intl.Collator("en", { numeric: true });
const plain = (a, b) => (a < b ? -1 : a > b ? 1 : 0); // for ids, whose hexadecimal digits are no numbers
const number = (value) => value.toLocaleString("en");
const several = (count, one, many) => number(count) + " " + (count === 1 ? one : many || one + "s");
const utc = (text) => (text ? text.slice(0, 16).replace("T", " ") + " UTC" : "never");

// Makes an element. Children are elements, texts, or lists of them; false and null are left out.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") element.addEventListener("click", value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((child) => child != null && child !== false));
  return element;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

// Columns to records.
function records(columns) {
  const keys = Object.keys(columns);
  return columns[keys[0]].map((_, row) => Object.fromEntries(keys.map((key) => [key, columns[key][row]])));
}

// -- the state of the fabric ------------------------------------------------------------------------------------

const MARKS = {
  silent: ["does not respond", "Not responding", "No port of these cards is up. EEM refuses to change them until they respond."],
  disabled: ["disabled", "Disabled", "These cards accept no changes until they are enabled."],
  unconnected: ["not connected", "Not connected", "Attached, but the card reports that its link to the system is down."],
  stranded: ["stranded", "Stranded", "In the group of a system that EEM does not list. The host of that system may still use them."],
  shared: ["system unknown", "System unknown", "Several systems have the group of these devices, and the cards report none of them as theirs."],
  missing: ["not listed", "Not listed any more", "Stored in the registry, but EEM does not list them now."],
  empty: ["empty slot", "Empty slots", "The card responds, and there is no device in it."],
};
const APART = ["stranded", "silent", "disabled", "unconnected", "shared", "missing", "empty"];

const podms = new Map();
const podmOf = (id, name) => {
  if (!podms.has(id)) podms.set(id, { uuid: id, name: name, systems: [], devices: [] });
  return podms.get(id);
};
for (const podm of records(data.podms)) Object.assign(podmOf(podm.uuid, podm.name), podm);
for (const error of records(data.errors)) podmOf(error.podm_id, error.podm).error = error.msg;

const key = (podm, id) => podm + " " + id;
const systems = new Map(), devices = new Map();
function addSystem(system) {
  system.devices = [];
  system.marks = ["silent", "disabled"].filter((mark) => (mark === "silent" ? system.reachable : system.enabled) === false);
  systems.set(key(system.podm_id, system.id), system);
  podmOf(system.podm_id, system.podm).systems.push(system);
}
records(data.systems).forEach(addSystem);
for (const node of records(data.nodes)) {
  const found = systems.get(key(node.podm_id, node.id));
  if (found) found.node_state = node.state;
  else addSystem({ podm_id: node.podm_id, podm: node.podm, id: node.id, node: node.name, node_state: node.state, unlisted: true });
}
for (const device of records(data.devices)) {
  const place = key(device.podm_id, device.device_id), podm = podmOf(device.podm_id, device.podm);
  if (devices.has(place)) continue;
  devices.set(place, device);
  podm.devices.push(device);
  device.id = device.device_id;
  device.kind = device.type || "Unknown";
  device.system = systems.get(key(device.podm_id, device.node_id));
  if (device.system && !device.missing_since) device.system.devices.push(device);
  device.marks = [
    device.missing_since && "missing",
    device.state === "stranded" && "stranded",
    device.reachable === false && "silent",
    device.enabled === false && "disabled",
    device.state === "allocated" && device.connected === false && device.reachable !== false && "unconnected",
    device.state === "allocated" && !device.node_id && "shared",
    device.populated === false && device.reachable !== false && "empty",
  ].filter(Boolean);
  device.label = device.device_name || device.model || "";
  device.where = device.system ? nameOf(device.system) : device.node_id || (device.last_node ? "was " + device.last_node : "");
}
const byType = (a, b) => TYPES.indexOf(a.kind) - TYPES.indexOf(b.kind) || plain(a.id, b.id);
for (const system of systems.values()) system.devices.sort(byType);
const all = [...devices.values()];
const ordered = [...podms.values()].sort((a, b) => collator.compare(a.name || "", b.name || ""));
const isListed = (device) => !device.missing_since;
const isPool = (device) => device.state === "free" && device.marks.length === 0;
const isUsable = (device) => isPool(device) && !podms.get(device.podm_id).error;

function nameOf(system) {
  return system.node || system.id;
}

function namesOf(list) {
  return list.slice(0, 4).map(nameOf).join(", ") + (list.length > 4 ? " and " + number(list.length - 4) + " more" : "");
}

// -- parts of the picture ---------------------------------------------------------------------------------------

function describe(device, change) {
  return [device.kind === "Unknown" ? "Device of unknown type" : device.kind, device.id, device.label,
    change, ...device.marks.map((mark) => MARKS[mark][0])].filter(Boolean).join(", ");
}

// One device as a cell. `change` is what a layout does with it: [sign, words].
function cell(device, change) {
  const classes = ["slot", "t-" + device.kind, ...device.marks.map((mark) => "m-" + mark), change ? "c-" + change[2] : ""];
  const text = describe(device, change && change[1]), marks = device.marks.filter((mark) => mark !== "empty");
  const [picture, short] = marks.length < device.marks.length ? ["empty", "empty"] : [device.kind, SHORT[device.kind] || device.kind];
  return make("li", null, make("button", { type: "button", class: classes.join(" "), title: text, "aria-label": text, tabindex: -1, on: () => show(device) },
    icon(picture), make("span", { class: "short" }, short),
    marks.length > 0 && make("span", { class: "mark" }, icon(marks[0])),
    change && change[0] && make("span", { class: "sign" }, change[0])));
}

// A row of cells: one stop of the Tab key, in which the arrow keys move.
function slots(cells, label, empty) {
  if (cells.length) cells[0].firstChild.setAttribute("tabindex", 0);
  const holes = Array.from({ length: empty || 0 }, () => make("li", { class: "hole", "aria-hidden": "true" }));
  return cells.length
    ? make("ul", { class: "slots", "aria-label": label }, cells, holes)
    : make("ul", { class: "slots", "aria-hidden": "true" }, holes);
}

document.addEventListener("keydown", (event) => {
  const list = event.target.closest(".slots");
  if (!list) return;
  const cells = [...list.querySelectorAll("button")], at = cells.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: cells.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!cells[to]) return;
  event.target.setAttribute("tabindex", -1);
  cells[to].setAttribute("tabindex", 0);
  cells[to].focus();
});

function tags(marks) {
  return marks.map((mark) => make("span", { class: "tag m-" + mark }, icon(mark), MARKS[mark][0]));
}

function show(device) {
  const system = device.system;
  const rows = [
    ["Type", device.kind === "Unknown" ? "unknown" : device.kind],
    ["State", [device.state, ...device.marks.filter((mark) => mark !== device.state).map((mark) => MARKS[mark][0])].join(", ")],
    ["Attached to", system ? (system.node ? system.node + " (" + system.id + ")" : system.id) : device.node_id],
    ["Last used by", device.last_node],
    ["Device", device.device_name],
    ["Vendor", device.vendor_name],
    ["PCI ids", device.vendor_id && device.vendor_id + ":" + device.pci_device_id],
    ["Card", [device.model, device.card_type].filter(Boolean).join(", ")],
    ["Serial number", device.serial_number],
    ["MAC address", device.mac_address],
    ["Ports up", device.ports_up == null ? null : device.ports_up + " of 2"],
    ["Group", device.pooled_group_id],
    ["Pod manager", device.podm],
    ["Last change", device.updated_at && utc(device.updated_at)],
    ["Not listed since", device.missing_since && utc(device.missing_since)],
  ].filter(([, value]) => value != null && value !== "");
  dialog.replaceChildren(
    make("h2", { id: "details-title" }, device.id),
    make("dl", null, rows.map(([term, value]) => make("div", null, make("dt", null, term), make("dd", null, String(value))))),
    make("button", { type: "button", class: "close", on: () => dialog.close() }, "Close"));
  dialog.showModal();
  dialog.scrollTop = 0;
}
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

function systemCard(system) {
  const used = system.devices.length, known = system.max_devices != null;
  const empty = known ? system.free_slots : 0;
  const facts = [system.node && system.id, system.card_type,
    system.pooled_group_id === "4094" ? "no group id" : system.pooled_group_id && "group " + system.pooled_group_id,
    system.host_model, (system.power_state || "").toLowerCase() === "off" && "power off", system.ports_up === 1 && "one of two ports up"];
  return make("li", { class: "system" + (system.node ? " node" : "") + (used ? "" : " idle") + (system.marks.length || system.unlisted ? " ill" : "") },
    make("div", { class: "head" },
      make("h4", null, nameOf(system)),
      make("span", { class: "count" }, known ? used + " of " + system.max_devices + " slots" : several(used, "device"))),
    make("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    make("p", { class: "tags" },
      !system.node && make("span", { class: "tag" }, "not a node"),
      system.node_state === "managed" && make("span", { class: "tag" }, "managed"),
      system.node_state === "composing" && make("span", { class: "tag warn" }, "being composed"),
      system.unlisted && !podms.get(system.podm_id).error && make("span", { class: "tag warn" }, icon("missing"), "EEM does not list this system"),
      tags(system.marks)),
    known || used ? slots(system.devices.map((device) => cell(device)), "Devices of " + nameOf(system), empty) : null,
    !known && !used && make("p", { class: "none" }, "No device of it is stored."));
}

function pool(title, sentence, list, about, extra) {
  return make("section", { class: "pool", "aria-label": title + " of " + about },
    make("div", { class: "head" }, make("h3", null, title), make("span", { class: "count" }, number(list.length + (extra || []).length))),
    make("p", { class: "facts" }, sentence),
    (extra || []).length > 0 && make("p", { class: "facts" }, "Systems: " + extra.map(nameOf).join(", ")),
    list.length > 0 && slots(list.sort(byType).map((device) => cell(device)), title + " of " + about));
}

function podmSection(podm, place) {
  const name = podm.name || "EEM that is not registered";
  const listed = podm.devices.filter(isListed);
  const free = podm.devices.filter(isPool);
  const nodes = podm.systems.filter((system) => system.node).sort((a, b) => collator.compare(a.node, b.node));
  const others = podm.systems.filter((system) => !system.node).sort((a, b) => plain(a.id, b.id));
  const count = (state) => listed.filter((device) => device.state === state).length;
  const facts = [podm.url, podm.location, podm.description];
  return make("section", { class: "podm", id: "podm-" + place, "aria-labelledby": "podm-title-" + place },
    make("div", { class: "head" },
      make("h2", { id: "podm-title-" + place }, name),
      make("span", { class: "status " + (podm.error ? "bad" : "good") }, podm.error ? "Cannot be read" : "Online")),
    make("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    podm.error && make("div", { class: "note" }, make("p", null, podm.error),
      make("p", null, podm.last_sync ? "Below is what the registry stored at the last synchronisation, " + utc(podm.last_sync) + "." : "It was never synchronised, so nothing is known about it.")),
    !podm.error && podm.status === "Degraded" && make("p", { class: "note" }, "At the last synchronisation: " + podm.last_error),
    podm.systems.length + podm.devices.length > 0 && make("p", null, several(podm.systems.length, "system") + " (" + several(nodes.length, "node") + "), " +
      several(listed.length, "device") + ": " + number(count("allocated")) + " allocated, " + number(count("free")) + " free, " + number(count("stranded")) + " stranded."),
    make("h3", null, "Systems"),
    podm.systems.length > 0
      ? make("ul", { class: "systems" }, [...nodes, ...others].map(systemCard))
      : make("p", { class: "none" }, podm.error ? "No node is stored. Systems that are not nodes are known only while EEM can be read." : "EEM lists no system of this pod manager."),
    make("div", { class: "pools" },
      free.length > 0
        ? pool("Free pool", podm.error ? "These were free, responding and enabled." : "Free, responding and enabled: these can be attached.", free, name)
        : make("section", { class: "pool" }, make("h3", null, "Free pool"), make("p", { class: "none" },
          podm.devices.length ? "No device is free and usable." : podm.error ? "No device is stored." : "EEM lists no device of this pod manager.")),
      APART.map((mark) => {
        const has = (card) => card.marks.includes(mark);
        const cards = podm.devices.filter(has), ill = podm.systems.filter(has);
        return cards.length + ill.length > 0 && pool(MARKS[mark][1], MARKS[mark][2], cards, name, ill);
      })));
}

// -- totals -----------------------------------------------------------------------------------------------------

function totals() {
  const columns = [
    ["allocated", (device) => device.state === "allocated" && isListed(device)],
    ["free", (device) => device.state === "free" && isListed(device)],
    ["stranded", (device) => device.state === "stranded" && isListed(device)],
    ["all", isListed],
    ...["silent", "disabled", "unconnected", "missing"].map((mark) => [mark, (device) => device.marks.includes(mark)]).filter(([, test]) => all.some(test)),
  ];
  const titles = { allocated: "Allocated", free: "Free", stranded: "Stranded", all: "All" };
  const rows = TYPES.map((type) => [type, all.filter((device) => device.kind === type)]).filter(([, list]) => list.length);
  const most = Math.max(...rows.map(([, list]) => list.filter(isListed).length), 1);
  const figure = (type, name, list, test) => {
    const count = list.filter(test).length;
    const words = number(count) + " " + (type || "devices") + ", " + (titles[name] || MARKS[name][1]).toLowerCase() + ": show in the table";
    return make("td", { class: "n" + (name === "all" ? " sum" : "") },
      count ? make("button", { type: "button", class: "figure", "aria-label": words, on: () => filterTo(type, name) }, number(count)) : make("span", { class: "zero" }, "0"));
  };
  const bar = (list) => make("td", { class: "bar", "aria-hidden": "true" }, columns.slice(0, 3).map(([name, test]) => {
    const count = list.filter(test).length, part = count > 0 && make("i", { class: "part s-" + name });
    if (part) part.style.width = (100 * count) / most + "%";
    return part;
  }));
  return make("section", { "aria-labelledby": "totals" }, make("h2", { id: "totals" }, "Totals by type and state"),
    all.length === 0 ? make("p", { class: "none" }, "There are no devices to count.") :
    scroller("Table of totals", make("table", { class: "totals" },
      make("thead", null, make("tr", null, make("th", { scope: "col" }, "Type"), make("th", { class: "bar", "aria-hidden": "true" },
        make("span", { class: "key" }, make("i", { class: "part s-allocated" }), "allocated"), make("span", { class: "key" }, make("i", { class: "part s-free" }), "free"),
        make("span", { class: "key" }, make("i", { class: "part s-stranded" }), "stranded")),
        columns.map(([name]) => make("th", { scope: "col", class: "n" }, titles[name] || MARKS[name][1].replace(" any more", ""))))),
      make("tbody", null, rows.map(([type, list]) => make("tr", null,
        make("th", { scope: "row" }, make("span", { class: "type t-" + type }, icon(type), type === "Unknown" ? "unknown" : type)), bar(list),
        columns.map(([name, test]) => figure(type, name, list, test))))),
      make("tfoot", null, make("tr", null, make("th", { scope: "row" }, "Together"), make("td", { class: "bar", "aria-hidden": "true" }),
        columns.map(([name, test]) => figure("", name, all, test)))))));
}

// A table may be wider than the screen: it scrolls, also by keyboard, and the page does not.
function scroller(label, table) {
  return make("div", { class: "scroller", role: "region", "aria-label": label, tabindex: 0 }, table);
}

// -- what needs attention ---------------------------------------------------------------------------------------

function attention() {
  const lines = ordered.filter((podm) => podm.error).map((podm) => make("li", null, (podm.name || "The EEM") + " cannot be read: " + podm.error));
  for (const mark of APART.filter((each) => each !== "empty")) {
    const cards = all.filter((device) => device.marks.includes(mark)), ill = [...systems.values()].filter((system) => system.marks.includes(mark));
    const parts = [ill.length && several(ill.length, "system"), cards.length && several(cards.length, "device")].filter(Boolean);
    if (parts.length) lines.push(make("li", null, icon(mark), MARKS[mark][1] + ": ", cards.length
      ? make("button", { type: "button", class: "link", on: () => filterTo("", mark) }, parts.join(" and ")) : parts.join(" and "),
      ill.length ? " (" + namesOf(ill) + ")" : ""));
  }
  const lost = [...systems.values()].filter((system) => system.unlisted && !podms.get(system.podm_id).error);
  if (lost.length) lines.push(make("li", null, icon("missing"), "EEM does not list the system of " + namesOf(lost)));
  return make("section", { class: "attention" + (lines.length ? " some" : ""), "aria-labelledby": "attention" }, make("h2", { id: "attention" }, "Needs attention"),
    lines.length ? make("ul", null, lines) : make("p", null, all.length ? "Nothing. All cards respond, are enabled and connected." : "Nothing is known that could need attention."));
}

// -- what a layout would change ---------------------------------------------------------------------------------

function layoutSection() {
  const layout = data.layout;
  if (!layout.plan) return null;
  const head = make("h2", { id: "layout" }, "What the layout would change");
  const file = make("p", { class: "facts" }, "Layout file " + layout.file);
  const section = (...children) => make("section", { class: "layout", "aria-labelledby": "layout" }, head, file, children);
  if (layout.error) return section(make("div", { class: "note" }, make("p", null, "The layout cannot be applied. Nothing would be changed."), make("p", null, layout.error)));
  if (!layout.plan.length) return section(make("p", null, "Nothing: the fabric is as the layout file describes it."));
  const ofPlan = (id) => [...devices.values()].find((device) => device.id === id && (!layout.podm_id || device.podm_id === layout.podm_id));
  const stub = (id) => ofPlan(id) || { id: id, device_id: id, kind: "Unknown", marks: [], label: "", state: "unknown" };
  const comes = new Map(), goes = new Map(), touched = new Map();
  for (const step of layout.plan) {
    const about = touched.get(step.node_id) || { id: step.node_id, name: step.node, come: [], go: [], words: [] };
    if (step.node_id) touched.set(step.node_id, about);
    if (step.action === "attach") { about.come.push(step.device); comes.set(step.device, step.node); about.name = step.node || about.name; }
    else if (step.action === "detach") { about.go.push(step.device); goes.set(step.device, step.node); }
    else if (step.action === "set_group") about.words.push("gets group id " + step.to);
    else if (step.action === "remember" && !step.device) { about.words.push(step.from === null ? "new node" : "becomes " + step.to); about.name = step.node; }
    else if (step.action === "forget" && !step.device) about.words.push("released");
  }
  const cards = [...touched.values()].sort((a, b) => collator.compare(a.name || a.id, b.name || b.id)).map((about) => {
    const system = systems.get(key(layout.podm_id, about.id)) || [...systems.values()].find((each) => each.id === about.id);
    const now = system ? system.devices : about.go.map(stub);
    const stay = now.filter((device) => !about.go.includes(device.id)), come = about.come.map(stub);
    const holes = (count) => (system && system.max_devices != null ? Math.max(0, system.max_devices - count) : 0);
    const going = (device) => (about.go.includes(device.id) ? ["−", "goes" + (comes.has(device.id) ? " to " + comes.get(device.id) : " to the free pool"), "go"] : null);
    const coming = (device) => ["+", "comes" + (goes.has(device.id) && goes.get(device.id) ? " from " + goes.get(device.id) : " from the free pool"), "come"];
    const after = [...stay.map((device) => [device, null]), ...come.map((device) => [device, coming(device)])].sort((a, b) => byType(a[0], b[0]));
    const counts = [come.length && number(come.length) + (come.length === 1 ? " comes" : " come"), about.go.length && number(about.go.length) + (about.go.length === 1 ? " goes" : " go"),
      number(stay.length) + (stay.length === 1 ? " stays" : " stay")].filter(Boolean);
    const name = about.name || about.id;
    return make("li", { class: "change" },
      make("div", { class: "head" }, make("h3", null, name), make("span", { class: "count" }, counts.join(", "))),
      make("p", { class: "facts" }, [about.name !== about.id && about.id, ...about.words].filter(Boolean).join(" · ")),
      make("div", { class: "beside" },
        make("div", null, make("p", { class: "when" }, "Now"), now.length || holes(0) ? slots([...now].sort(byType).map((device) => cell(device, going(device))), name + " now", holes(now.length)) : make("p", { class: "none" }, "No devices.")),
        make("span", { class: "arrow", "aria-hidden": "true" }, "→"),
        make("div", null, make("p", { class: "when" }, "After"), after.length || holes(0) ? slots(after.map(([device, change]) => cell(device, change)), name + " after the change", holes(after.length)) : make("p", { class: "none" }, "No devices."))));
  });
  const same = layout.nodes.filter((node) => ![...touched.values()].some((about) => about.name === node));
  const moved = [...comes.keys()].filter((id) => goes.get(id)).length;
  const summary = several(layout.plan.length, "step") + " on " + several(touched.size, "system") + ": " + several(comes.size, "device") + " attached" +
    (moved ? " (" + number(moved) + " of them moved from another system)" : "") + ", " + several([...goes.keys()].filter((id) => !comes.has(id)).length, "device") + " released to the free pool.";
  return section(make("p", null, summary),
    make("p", { class: "legend" }, make("span", { class: "key" }, make("b", { class: "swatch c-come" }, "+"), "comes"), make("span", { class: "key" }, make("b", { class: "swatch c-go" }, "−"), "goes"),
      make("span", { class: "key" }, make("b", { class: "swatch" }), "stays")),
    make("ul", { class: "changes" }, cards),
    same.length > 0 && make("p", null, several(same.length, "other node") + " of the layout " + (same.length === 1 ? "stays as it is: " : "stay as they are: ") + same.join(", ") + "."),
    make("details", null, make("summary", null, "All steps in their order"), scroller("Steps of the plan", make("table", null,
      make("thead", null, make("tr", null, ["", "Step", "Device", "Node", "From", "To"].map((title, place) => make("th", { scope: "col", class: place ? null : "n" }, title || "No.")))),
      make("tbody", null, layout.plan.map((step, place) => make("tr", null, make("td", { class: "n" }, String(place + 1)),
        [step.action, step.device, step.node || step.node_id, step.from, step.to].map((value) => make("td", null, value == null ? "–" : String(value))))))))));
}

// -- the table --------------------------------------------------------------------------------------------------

const withPodm = podms.size > 1;
const COLUMNS = [
  ["Device", (device) => device.id], ["Type", (device) => (device.kind === "Unknown" ? "" : device.kind)],
  ["State", (device) => [device.state, ...device.marks.filter((mark) => mark !== device.state).map((mark) => MARKS[mark][0])].join(", ")],
  ["Attached to", (device) => device.where], ["Name", (device) => device.label], ["Serial number", (device) => device.serial_number || ""],
  ["PCI ids", (device) => (device.vendor_id ? device.vendor_id + ":" + device.pci_device_id : "")],
].concat(withPodm ? [["Pod manager", (device) => device.podm || ""]] : []);
let filterTo = () => {};

function tableSection() {
  const heading = make("h2", { id: "devices", tabindex: -1 }, "All devices");
  if (!all.length) return make("section", { "aria-labelledby": "devices" }, heading, make("p", { class: "none" },
    !podms.size ? "No pod manager is registered, so there are no devices. expether_podm registers one." : ordered.every((podm) => podm.error) ? "No EEM can be read, and no devices are stored." : "The EEMs list no devices."));
  const search = make("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false" });
  const choice = (id, first, options) => make("select", { id: id }, make("option", { value: "" }, first), options.map(([value, text]) => make("option", { value: value }, text)));
  const type = choice("type", "All types", TYPES.filter((each) => all.some((device) => device.kind === each)).map((each) => [each, each === "Unknown" ? "unknown" : each]));
  const tests = { allocated: (device) => device.state === "allocated" && isListed(device), free: (device) => device.state === "free" && isListed(device),
    stranded: (device) => device.state === "stranded" && isListed(device), all: isListed, pool: isUsable };
  const test = (name) => tests[name] || ((device) => device.marks.includes(name));
  const states = [["allocated", "allocated"], ["free", "free"], ["pool", "free and usable"], ["stranded", "stranded"],
    ...APART.filter((mark) => mark !== "stranded").map((mark) => [mark, MARKS[mark][0]]), ["all", "all that EEMs list"]];
  const state = choice("state", "All states", states.filter(([value]) => all.some(test(value))));
  const podm = withPodm && choice("podm", "All pod managers", ordered.map((each, place) => [String(place), each.name || "not registered"]));
  const shown = make("p", { class: "shown", role: "status" });
  const body = make("tbody");
  const rows = all.map((device) => {
    const values = COLUMNS.map(([, value]) => value(device));
    const row = make("tr", null,
      make("th", { scope: "row" }, make("button", { type: "button", class: "link id", on: () => show(device) }, device.id)),
      make("td", null, make("span", { class: "type t-" + device.kind }, icon(device.kind), values[1] || "–")),
      make("td", null, device.marks.includes("stranded") ? null : device.state + " ", tags(device.marks)),
      values.slice(3).map((value) => make("td", null, value)));
    return { device: device, row: row, values: values, text: [...values, device.vendor_name, device.model, device.mac_address, device.node_id, device.podm].join("\n").toLowerCase() };
  });
  let by = 0, down = false;
  const heads = COLUMNS.map(([title], place) => make("th", { scope: "col", "aria-sort": place ? "none" : "ascending" },
    make("button", { type: "button", on: () => { down = by === place && !down; by = place; sort(); } }, title)));
  function sort() {
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === by ? (down ? "descending" : "ascending") : "none"));
    // What is empty comes last in both orders.
    const compare = by ? collator.compare : plain;
    rows.sort((a, b) => (a.values[by] === "") - (b.values[by] === "") || (down ? -1 : 1) * compare(a.values[by], b.values[by]) || plain(a.device.id, b.device.id));
    body.append(...rows.map((each) => each.row));
  }
  const nothing = make("p", { class: "none", hidden: true }, "No device matches. Change or clear the search.");
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), chosen = podm && podm.value !== "" ? ordered[podm.value].uuid : null;
    let count = 0;
    for (const each of rows) {
      const fits = (!type.value || each.device.kind === type.value) && (!state.value || test(state.value)(each.device)) &&
        (chosen === null || each.device.podm_id === chosen) && words.every((word) => each.text.includes(word));
      each.row.hidden = !fits;
      count += fits;
    }
    shown.textContent = count === rows.length ? "All " + several(count, "device") : number(count) + " of " + several(rows.length, "device");
    nothing.hidden = count > 0;
  }
  filterTo = (ofType, name) => {
    search.value = "";
    type.value = ofType;
    state.value = name;
    if (podm) podm.value = "";
    filter();
    heading.scrollIntoView();
    heading.focus({ preventScroll: true });
  };
  for (const input of [search, type, state, podm].filter(Boolean)) input.addEventListener("input", filter);
  sort();
  filter();
  const field = (label, input) => make("label", { class: "field" }, make("span", null, label), input);
  return make("section", { "aria-labelledby": "devices" }, heading,
    make("form", { class: "filters", role: "search", "aria-label": "Filter devices" }, field("Search", search), field("Type", type), field("State", state), podm && field("Pod manager", podm),
      make("button", { type: "button", class: "clear", on: () => { search.value = type.value = state.value = ""; if (podm) podm.value = ""; filter(); search.focus(); } }, "Clear")),
    shown, scroller("Table of devices", make("table", { class: "devices" }, make("thead", null, make("tr", null, heads)), body)), nothing);
}

// -- the page ---------------------------------------------------------------------------------------------------

function header() {
  const age = (Date.now() - Date.parse(data.taken)) / 60000;
  const ago = age < 2 ? "" : age < 120 ? several(Math.round(age), "minute") + " ago" : age < 2880 ? several(Math.round(age / 60), "hour") + " ago" : several(Math.round(age / 1440), "day") + " ago";
  const listed = all.filter(isListed), nodes = [...systems.values()].filter((system) => system.node).length;
  const tile = (term, value, more) => make("div", null, make("dt", null, term), make("dd", null, value, more && make("small", null, more)));
  const used = listed.filter((device) => device.state === "allocated").length, free = all.filter(isUsable).length;
  const online = ordered.filter((podm) => !podm.error).length;
  document.getElementById("top").append(
    make("h1", null, "ExpEther fabric"),
    make("p", { class: "taken" }, "Taken ", make("time", { datetime: data.taken }, utc(data.taken)), ago && " · " + ago),
    podms.size > 0 && make("dl", { class: "tiles" },
      tile(podms.size === 1 ? "Pod manager" : "Pod managers", number(podms.size), online === podms.size ? "online" : number(online) + " online"),
      tile("Systems", number(systems.size), number(nodes) + (nodes === 1 ? " node" : " nodes")),
      tile("Devices", number(listed.length), number(used) + " allocated"),
      tile("Usable now", number(free), "free, responding, enabled")),
    make("nav", { "aria-label": "Parts of this page" }, make("ul", null,
      data.layout.plan && make("li", null, make("a", { href: "#layout" }, "Layout")),
      make("li", null, make("a", { href: "#totals" }, "Totals")),
      ordered.length <= 12 && ordered.map((podm, place) => make("li", null, make("a", { href: "#podm-" + place }, podm.name || "EEM"))),
      make("li", null, make("a", { href: "#devices" }, "All devices")))));
}

function legend() {
  return make("details", { class: "legend-box" }, make("summary", null, "How to read the picture"),
    make("p", null, "Each box is a system with its slots. A filled cell is a device, a dashed one a free slot. Cells are ordered by type; the fabric has no fixed places. Select a cell for its details: Tab goes from system to system, the arrow keys from device to device."),
    make("p", { class: "legend" }, TYPES.map((type) => make("span", { class: "key" }, make("span", { class: "type t-" + type }, icon(type), type === "Unknown" ? "unknown type" : type)))),
    make("p", { class: "legend" }, APART.map((mark) => make("span", { class: "key" }, icon(mark), MARKS[mark][0]))));
}

const table = tableSection();
header();
main.replaceChildren(...[
  podms.size ? attention() : make("section", null, make("p", { class: "none" }, "No pod manager is registered. expether_podm registers one, then this page shows its fabric.")),
  layoutSection(), podms.size > 0 && totals(), podms.size > 0 && legend(), ...ordered.map(podmSection), table,
].filter(Boolean));
})();
