// Tells a person who looks at a page what has changed since. Without this script the pages are the same, and stay as they
// were loaded.
"use strict";
(() => {
  const news = document.getElementById("news");
  if (!news || !window.EventSource) return;
  const task = news.dataset.task;
  const appeared = new Set();
  let source = null;
  // An inbox that shows all that waits listens from what it shows.
  let last = news.dataset.last || "";

  const say = (text) => {
    news.querySelector("span").textContent = text;
    news.hidden = text === "";
  };

  const showInbox = (data) => {
    for (const id of data.appeared) appeared.add(id);
    for (const id of data.gone) {
      appeared.delete(id);
      const row = document.querySelector(`tr[data-task="${CSS.escape(id)}"]`);
      if (!row || row.classList.contains("gone")) continue;
      row.classList.add("gone");
      const box = row.querySelector("input[type=checkbox]");
      if (box) { box.checked = false; box.disabled = true; }
      const note = document.createElement("small");
      note.textContent = "no longer waits";
      row.querySelector("th").append(" ", note);
    }
    const one = appeared.size === 1;
    say(appeared.size === 0 ? "" : `${appeared.size} more ${one ? "task waits" : "tasks wait"}.`);
  };

  const ask = async () => {
    const answer = await fetch(`/console/tasks/${task}/news?comments=${news.dataset.comments}`);
    return answer.ok ? answer.json() : null;
  };

  const showTask = async (data) => {
    if (!data.changed.concat(data.gone, data.appeared).includes(task)) return;
    const now = await ask();
    if (now) say(now.text);
  };

  // What happened after the page was made and before the first event.
  const catchUp = async () => {
    const now = task ? await ask() : null;
    if (now && now.etag !== news.dataset.etag) say(now.text);
  };

  const connect = () => {
    if (source || document.hidden) return;
    source = new EventSource(`/console/events?after=${encodeURIComponent(last)}`);
    const on = (name, act) => source.addEventListener(name, (event) => {
      last = event.lastEventId;
      act(JSON.parse(event.data));
    });
    on("waiting", catchUp);
    on("tasks", task ? showTask : showInbox);
    on("reload", () => say("What waits has changed."));
    // A browser connects again by itself, but not after an answer such as "busy".
    source.onerror = () => {
      if (!source || source.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(connect, 30000);
    };
  };

  // Browsers open only six connections to one host: a page that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return connect();
    if (source) source.close();
    source = null;
  });
  connect();
})();
