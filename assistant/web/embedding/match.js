// Finds quoted words in a page of any markup. Letters and digits alone are compared, with the point or comma between two
// digits and the signs of money and percent, so spaces, hyphens, quotation marks, accents, ligatures and where one element
// ends do not count.

const GAP = 1000; // Letters of something else, such as an advertisement, that may stand between two sentences.
const LETTER = /[\p{L}\p{N}%\p{Sc}]/u;
const WITHIN_NUMBER = /^\d[.,]\d/;

// The letters of some texts, and of each unit of them where it comes from: [text, offset, length there].
function lettersOf(texts) {
  const places = [];
  let letters = "";
  texts.forEach((text, number) => {
    let offset = 0;
    for (const sign of text) {
      for (const letter of sign.toLowerCase().normalize("NFKD")) {
        if (!LETTER.test(letter) && !WITHIN_NUMBER.test(text.slice(Math.max(0, offset - 1), offset + 2))) continue;
        letters += letter;
        for (let unit = 0; unit < letter.length; unit++) places.push([number, offset, sign.length]);
      }
      offset += sign.length;
    }
  });
  return { letters, places };
}

const plain = (text) => lettersOf([text]).letters;

// Where the quotation stands in the texts: a span [text, offset, text, offset] for each of its sentences; or null. Of
// several places it is the one with the same words around it, and the least of other words within.
function findQuotation(texts, { quote, before, after }) {
  const { letters, places } = lettersOf(texts);
  const sentences = quote.split(/\n|(?<=[.!?]["'”’)\]]*)\s+/).filter(plain);
  const parts = sentences.map(plain);
  const [lead, tail] = [[...plain(before)].reverse(), [...plain(after)]];
  const inWord = (index) => index > 0 && index < letters.length && places[index - 1][0] === places[index][0]
    && places[index - 1][1] + places[index - 1][2] === places[index][1];
  const next = (part, from, most) => {
    let start = letters.indexOf(part, from);
    while (start >= 0 && (inWord(start) || inWord(start + part.length))) start = letters.indexOf(part, start + 1);
    return start >= 0 && start - from <= most ? start : -1;
  };
  const same = (context, from, step) => {
    let count = 0;
    while (count < context.length && letters[from + step * count] === context[count]) count++;
    return count;
  };
  let [best, most] = [null, -Infinity];
  for (let start = parts.length ? next(parts[0], 0, Infinity) : -1; start >= 0; start = next(parts[0], start + 1, Infinity)) {
    const starts = [start];
    let [end, gaps] = [start + parts[0].length, 0];
    for (const part of parts.slice(1)) {
      const found = next(part, end, GAP);
      starts.push(found);
      gaps += found - end;
      end = found + part.length;
      if (found < 0) break;
    }
    const fit = same(lead, start - 1, -1) + same(tail, end, 1) - gaps;
    if (!starts.includes(-1) && fit > most) [best, most] = [starts, fit];
  }
  // The signs at both ends of a sentence, such as its full stop, are lit with it.
  return best && best.map((start, number) => {
    const [first, last] = [places[start], places[start + parts[number].length - 1]];
    const [, opening, closing] = sentences[number].match(/^([^\p{L}\p{N}]*).*?([^\p{L}\p{N}]*)$/su);
    const signs = (text, count) => text.match(new RegExp(`^[^\\p{L}\\p{N}\\s]{0,${count}}`, "u"))[0].length;
    const head = [...texts[first[0]].slice(0, first[1])].reverse().join("");
    const end = last[1] + last[2];
    return [first[0], first[1] - signs(head, opening.length), last[0], end + signs(texts[last[0]].slice(end), closing.length)];
  });
}

// The texts that a reader sees. What is there for screen readers alone is a single pixel.
function textsSeen(left = "") {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const nodes = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const parent = node.parentElement;
    range.selectNode(node);
    if (!range.getClientRects().length || getComputedStyle(parent).visibility !== "visible" || (left && parent.closest(left))) continue;
    const { width, height } = parent.getBoundingClientRect();
    if (width !== 1 || height !== 1) nodes.push(node);
  }
  return nodes;
}

// The ranges of a quotation in this page; none where it has not these words. A range for each text, so that what stands
// between two of them and is no part of the quotation stays as it is.
const INTERRUPTS = "aside, figure, nav, button, sup, [role=complementary], [aria-hidden=true]";

function rangesOf(quotation) {
  for (const left of ["", INTERRUPTS]) {
    const nodes = textsSeen(left);
    const spans = findQuotation(nodes.map((node) => node.data), quotation) ?? [];
    if (spans.length) return spans.flatMap(([first, from, last, to]) => nodes.slice(first, last + 1).map((node, index) => {
      const range = document.createRange();
      range.setStart(node, index ? 0 : from);
      range.setEnd(node, first + index === last ? to : node.length);
      return range;
    }));
  }
  return [];
}
