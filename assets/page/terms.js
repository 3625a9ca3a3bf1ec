// The words of the glossary, explained where they stand: a dotted line under a word, and its sentence on a click, a key or a touch.
// ``snViz.terms.mark(element)`` marks the words in an element; hints and notes of the page are marked by themselves.
(() => {
  "use strict";
  const WHERE = ".sn-hint, .sn-panel .sn-note, .sn-panel .sn-warning, .sn-verdict, [data-terms]";
  const NOT_IN = "a, button, summary, label, select, textarea, input, svg, code, h1, h2, h3, h4, [role=status], [data-no-terms], .sn-learn-options, .sn-learn-busy, table";
  const MOST = 3;  // marked words of one element: a text stays a text
  const words = new Map();
  let pattern = null, shown = null;

  const box = document.createElement("div");
  box.id = "sn-term"; box.className = "sn-term-box"; box.hidden = true;
  box.setAttribute("role", "tooltip");

  function place(term) {
    const at = term.getBoundingClientRect(), wide = Math.min(320, innerWidth - 24);
    box.style.width = `${wide}px`;
    box.style.left = `${Math.max(12, Math.min(at.left, innerWidth - wide - 12))}px`;
    const above = at.bottom + box.offsetHeight + 10 > innerHeight;
    box.style.top = `${above ? Math.max(8, at.top - box.offsetHeight - 6) : at.bottom + 6}px`;
  }

  let kept = false;  // a word that was clicked stays open when the mouse leaves it
  function open(term) {
    if (shown && shown !== term) close();
    shown = term;
    const name = document.createElement("strong"), said = document.createElement("span");
    const word = term.dataset.term, clicked = term.textContent;
    name.textContent = clicked.toLowerCase().startsWith(word.toLowerCase()) ? word : `${clicked} (${word})`; said.textContent = ` ${words.get(word)}`;
    box.replaceChildren(name, said);
    box.hidden = false;
    term.setAttribute("aria-expanded", "true"); term.setAttribute("aria-describedby", "sn-term");
    place(term);
  }
  function close() {
    if (!shown) return;
    shown.setAttribute("aria-expanded", "false"); shown.removeAttribute("aria-describedby");
    shown = null; kept = false; box.hidden = true;
  }

  function term(word, text) {
    const node = document.createElement("span");
    node.className = "sn-term"; node.textContent = text; node.dataset.term = word; node.tabIndex = 0;
    node.setAttribute("role", "button"); node.setAttribute("aria-expanded", "false");
    return node;
  }

  // Marks the first use of each word in an element, at most MOST of them.
  function mark(element) {
    if (!pattern || !element?.isConnected) return;
    const marked = new Set([...element.querySelectorAll(".sn-term")].map((each) => each.dataset.term));
    const walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, {
      acceptNode: (node) => (node.parentElement.closest(`${NOT_IN}, .sn-term`) || !pattern.test(node.data) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT),
    });
    const texts = [];
    while (walk.nextNode()) texts.push(walk.currentNode);
    for (const text of texts) {
      const parts = [];
      let from = 0;
      for (const found of text.data.matchAll(new RegExp(pattern, "gi"))) {
        const word = forms.get(found[1].toLowerCase());
        if (!word || marked.has(word) || marked.size >= (element.dataset?.terms === "all" ? 99 : MOST)) continue;
        marked.add(word);
        parts.push(text.data.slice(from, found.index), term(word, found[0]));
        from = found.index + found[0].length;
      }
      if (parts.length) text.replaceWith(...parts, text.data.slice(from));
    }
  }

  const forms = new Map();
  let due = 0;
  const again = () => { cancelAnimationFrame(due); due = requestAnimationFrame(() => document.querySelectorAll(WHERE).forEach(mark)); };

  // The glossary: value is {word: {said, forms: [text]}}.
  function terms(element, props, watch) {
    const take = () => {
      forms.clear(); words.clear();
      for (const [word, each] of Object.entries(props.value ?? {})) {
        words.set(word, each.said);
        [word, ...each.forms].forEach((form) => forms.set(form.toLowerCase(), word));
      }
      if (!forms.size) return;
      const escaped = [...forms.keys()].sort((a, b) => b.length - a.length).map((form) => form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      pattern = new RegExp(`\\b(${escaped.join("|")})(?:s|es)?\\b`, "i");
      again();
    };
    watch("value", take);
    take();
    document.body.append(box);
    new MutationObserver((changes) => { if (changes.some((each) => !box.contains(each.target))) again(); }).observe(document.body, { childList: true, subtree: true });
  }

  document.addEventListener("click", (event) => {
    const at = event.target.closest?.(".sn-term");
    if (at) { event.stopPropagation(); if (shown === at && kept) close(); else { open(at); kept = true; } } else if (!box.contains(event.target)) close();
  }, true);
  document.addEventListener("keydown", (event) => {
    const at = event.target.closest?.(".sn-term");
    if (at && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); event.stopPropagation(); if (shown === at && kept) close(); else { open(at); kept = true; } }
    if (event.key === "Escape" && shown) { event.preventDefault(); event.stopPropagation(); close(); }
  }, true);
  document.addEventListener("focusout", (event) => { if (event.target === shown) close(); });
  document.addEventListener("pointerover", (event) => { const at = event.target.closest?.(".sn-term"); if (at && event.pointerType === "mouse") open(at); });
  document.addEventListener("pointerout", (event) => { if (event.target === shown && !kept && event.pointerType === "mouse" && document.activeElement !== shown && !box.contains(event.relatedTarget)) close(); });
  addEventListener("scroll", close, { passive: true, capture: true });

  terms.mark = mark;
  window.snViz.terms = terms;
})();
