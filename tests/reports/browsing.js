(() => {
  // What a reader would stumble over, measured in the page itself. Colours are asked of a canvas: it knows every notation.
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = colour;
      pixel.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const grounds = new Map();
  const ground = (element) => {
    if (!element) return rgba(matchMedia("(prefers-color-scheme: dark)").matches ? "#000" : "#fff");
    if (!grounds.has(element)) {
      grounds.set(element, over(rgba(getComputedStyle(element).backgroundColor), ground(element.parentElement)));
    }
    return grounds.get(element);
  };
  const named = (element) => `${element.tagName.toLowerCase()}.${element.getAttribute("class") || ""}`;
  const printed = () => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() && element.getClientRects().length) found.push([element, walker.currentNode.data.trim()]);
    }
    return found;
  };
  return {
    // Texts below WCAG's 4.5 (3 from 24 px on), each with its figure.
    faint() {
      grounds.clear();
      const found = new Set();
      for (const [element, text] of printed()) {
        const style = getComputedStyle(element);
        const behind = ground(element);
        const drawn = element.closest("svg") ? style.fill : style.color;
        const ratio = contrast(over(rgba(drawn), behind), behind);
        if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5) - 0.01) {
          found.add(`${named(element)} ${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
        }
      }
      return [...found].slice(0, 20);
    },
    // Links whose target is not on the page.
    nowhere() {
      const links = [...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href"));
      return [...new Set(links)].filter((href) => !href.startsWith("#") || !document.getElementById(href.slice(1)));
    },
    // Boxes that would have to be scrolled: on paper nobody can.
    clipped() {
      return [...document.querySelectorAll(".scroll")]
        .filter((box) => box.scrollWidth > box.clientWidth + 1)
        .map((box) => `${box.scrollWidth - box.clientWidth} px: ${box.getAttribute("aria-label")}`);
    },
    // Texts of one chart that lie on one another.
    overlaps() {
      const found = [];
      for (const svg of document.querySelectorAll("svg.chart")) {
        const texts = [...svg.querySelectorAll("text")].filter((t) => t.textContent.trim() && getComputedStyle(t).opacity > 0);
        const boxes = texts.map((t) => t.getBoundingClientRect());
        for (let i = 0; i < boxes.length; i++)
          for (let j = i + 1; j < boxes.length; j++) {
            const across = Math.min(boxes[i].right, boxes[j].right) - Math.max(boxes[i].left, boxes[j].left);
            const down = Math.min(boxes[i].bottom, boxes[j].bottom) - Math.max(boxes[i].top, boxes[j].top);
            if (across > 2 && down > 3) {
              const caption = svg.closest("figure")?.querySelector("b")?.textContent;
              found.push(`${texts[i].textContent} / ${texts[j].textContent} in ${caption}`);
            }
          }
      }
      return found.slice(0, 20);
    },
    words() {
      return document.body.innerText.split(/\s+/).length;
    },
  };
})()
