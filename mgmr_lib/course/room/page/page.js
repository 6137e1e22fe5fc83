"use strict";
// Words from laptops never become HTML: all text goes through textContent. No newer JavaScript than ES2015.
const at = id => document.getElementById(id);
let told = null;

const row = (words, parts, of, number) => {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  const cell = document.createElement("td");
  const bar = document.createElement("div");
  const count = document.createElement("td");
  name.scope = "row";
  name.textContent = words;
  bar.className = "bar";
  parts.forEach(part => {
    const piece = document.createElement("span");
    piece.className = part[0];
    piece.style.width = (of ? 100 * part[1] / of : 0) + "%";
    bar.appendChild(piece);
  });
  count.className = "number";
  count.textContent = number;
  cell.appendChild(bar);
  [name, cell, count].forEach(part => line.appendChild(part));
  return line;
};

const fill = (id, rows) => {
  const old = at(id);
  while (old.firstChild) old.removeChild(old.firstChild);
  rows.forEach(made => old.appendChild(made));
};

// Choices of a menu; what was chosen stays chosen, the newest is chosen at first.
const offer = (id, options) => {
  const menu = at(id);
  const chosen = menu.value;
  const same = menu.options.length === options.length && options.every((o, i) => menu.options[i].value === o[0]);
  if (same) return;
  fill(id, options.map(option => {
    const made = document.createElement("option");
    made.value = option[0];
    made.textContent = option[1];
    return made;
  }));
  const kept = options.some(option => option[0] === chosen);
  if (options.length) menu.value = kept ? chosen : options[options.length - 1][0];
};

const draw = () => {
  if (!told) return;
  const numbers = [];
  told.exercises.concat(told.bets).forEach(e => {
    if (numbers.indexOf(e.id.slice(0, 2)) < 0) numbers.push(e.id.slice(0, 2));
  });
  offer("notebook", numbers.sort().map(n => [n, n]));
  const here = thing => thing.id.slice(0, 2) === at("notebook").value;
  offer("question", told.bets.filter(here).map(b => [b.id, b.id + "  " + b.text]));
  fill("exercises", told.exercises.filter(here).map(e => row(
    e.id + "  " + e.title, [["passed", e.passed], ["wrong", e.wrong]], told.laptops,
    e.passed + " passed, " + e.wrong + " tried")));
  fill("mistakes", told.mistakes.filter(here).map(m => row(
    m.id + "  " + m.says, [["wrong", m.laptops]], told.laptops, m.laptops + (m.laptops === 1 ? " laptop" : " laptops"))));
  const bet = told.bets.filter(b => b.id === at("question").value)[0];
  at("asked").textContent = bet ? bet.text : "No bet yet";
  const most = bet ? bet.answers.reduce((sum, answer) => sum + answer[1], 0) : 0;
  fill("bets", bet ? bet.answers.map(a => row(a[0], [["passed", a[1]]], most, String(a[1]))) : []);
};

const silent = () => {
  at("state").textContent = "The class does not answer: it goes on when course.py class runs again.";
};

const ask = () => {
  const late = setTimeout(silent, 8000);
  fetch("state" + location.search, {credentials: "omit"}).then(answer => {
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }).then(found => {
    told = found;
    at("join").textContent = found.join;
    at("laptops").textContent = found.laptops;
    at("here").textContent = found.here;
    at("state").textContent = "";
    draw();
  }).catch(silent).then(() => {
    clearTimeout(late);
    setTimeout(ask, 2000);
  });
};

at("csv").href = "class.csv" + location.search;
at("notebook").addEventListener("change", draw);
at("question").addEventListener("change", draw);
ask();
