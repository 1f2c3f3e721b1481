// Measures the pictures of a page. Each function returns complaints; none means that all is well.

// The least height of a letter, in pixels of the screen.
const LEAST = 11;
// The least distance of a text from a border, in units of the picture.
const DISTANCE = 2;

const isSeen = (picture) => getComputedStyle(picture).display != 'none' && picture.checkVisibility();
const pictures = () => [...document.querySelectorAll('figure.diagram svg')].filter(isSeen);
const box = (element) => {
    const { x, y, width, height } = element.getBBox();
    return { left: x, top: y, right: x + width, bottom: y + height };
};
const meet = (a, b, distance) => a.left < b.right + distance && b.left < a.right + distance
    && a.top < b.bottom + distance && b.top < a.bottom + distance;
// The straight lines of a shape, each as the box around it: all lines are level or upright.
const edges = (shape) => {
    let points;
    if (shape.localName == 'rect') {
        const { left, top, right, bottom } = box(shape);
        points = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]];
    } else {
        points = [...shape.points].map(({ x, y }) => [x, y]);
    }
    return points.slice(1).map(([x, y], index) => {
        const [from, level] = points[index];
        return { left: Math.min(x, from), right: Math.max(x, from), top: Math.min(y, level), bottom: Math.max(y, level) };
    });
};

function labels(picture) {
    const wrong = [];
    const scale = picture.getBoundingClientRect().width / picture.viewBox.baseVal.width;
    const texts = [...picture.querySelectorAll('text')];
    const shapes = [...picture.querySelectorAll('rect, polyline, polygon')];
    const lines = shapes.flatMap(edges);
    const { width, height } = picture.viewBox.baseVal;
    texts.forEach((text, index) => {
        const say = (what) => wrong.push(`"${text.textContent}" ${what}`);
        const own = box(text);
        for (const part of [text, ...text.querySelectorAll('tspan')]) {
            const size = parseFloat(getComputedStyle(part).fontSize) * scale;
            if (size < LEAST) say(`is ${size.toFixed(1)} pixels high`);
        }
        if (own.left < 0 || own.top < 0 || own.right > width || own.bottom > height) say('is outside the picture');
        if (lines.some((line) => meet(own, line, DISTANCE))) say('touches a border or a line');
        for (const other of texts.slice(index + 1)) {
            // Lines of one label follow each other without a gap.
            if (meet(own, box(other), -1.5)) say(`touches the text "${other.textContent}"`);
        }
    });
    return wrong;
}

function figures() {
    const wrong = [];
    for (const figure of document.querySelectorAll('figure.diagram')) {
        const seen = [...figure.querySelectorAll('svg')].filter(isSeen);
        const name = figure.querySelector('svg').getAttribute('aria-label').slice(0, 40);
        if (seen.length != 1) wrong.push(`${name}: ${seen.length} drawings are shown`);
        if (figure.scrollWidth > figure.clientWidth + 1) wrong.push(`${name}: it is wider than the page`);
    }
    return wrong;
}

const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
const luminance = (colour) => {
    const [red, green, blue] = numbers(colour).map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

// The contrast of each text with the colour that is behind it, as WCAG 2 counts it: at least 4.5 to 1.
function contrast(picture, paper) {
    paper ??= getComputedStyle(document.body).backgroundColor;
    if (numbers(paper)[3] === 0) paper = getComputedStyle(document.documentElement).backgroundColor;
    const rects = [...picture.querySelectorAll('rect')];
    const wrong = [];
    for (const text of picture.querySelectorAll('text')) {
        const own = box(text);
        // The last one is drawn above the others.
        const filled = rects.filter((rect) => meet(own, box(rect), 0) && getComputedStyle(rect).fill != 'none');
        const behind = filled.length ? getComputedStyle(filled.at(-1)).fill : paper;
        const ink = getComputedStyle(text).fill;
        const [dark, light] = [luminance(behind), luminance(ink)].sort((a, b) => a - b);
        const ratio = (light + 0.05) / (dark + 0.05);
        if (ratio < 4.5) wrong.push(`"${text.textContent}" in ${ink} on ${behind}: ${ratio.toFixed(1)} to 1`);
    }
    return wrong;
}
