"""Looks at a report page in a real browser: page_checks.py CHECK PAGE. What it finds wrong is an assertion; exit status 0: nothing."""
import json, os, sys

from browser import Browser

# In the page: what is wrong with contrasts, as WCAG 2 computes them, of all text that is there.
CONTRASTS = """(() => {
  const light = c => { const l = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
  const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const paper = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const poor = [];
  for (const e of document.querySelectorAll("h1,h2,h3,p,pre,summary,button,th,td,label,select,input,span")) {
    if (!e.innerText || !e.offsetParent) continue;
    const [a, b] = [light(numbers(getComputedStyle(e).color).slice(0, 3)), light(paper(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(e.tagName + " " + e.innerText.slice(0, 30) + " " + ratio.toFixed(2));
  }
  return poor;
})()"""

# How many pixels of each colour a canvas has: "r,g,b,a" -> count.
PIXELS = """(canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, counts = {};
  for (let i = 0; i < pixels.length; i += 4) { const key = pixels.slice(i, i + 4).join(); counts[key] = (counts[key] || 0) + 1; }
  return counts;
})"""
TIMELINE = "document.querySelector('#timeline > canvas')"
VIEW = "[Number(" + TIMELINE + ".dataset.from), Number(" + TIMELINE + ".dataset.to)]"


def opened(page, path, hash=""):
    page.open(path, hash)
    assert page.run("document.body.dataset.ready") == "yes", page.run("document.body.dataset.error")
    canvases = page.run("document.querySelectorAll('.chart canvas').length")
    assert canvases > 0 and page.run("document.querySelectorAll('.chart canvas[data-drawn=yes]').length") == canvases
    assert page.complaints == [], page.complaints


def colours(path):
    """Text can be read in the light and in the dark, and the page is light or dark as it was asked for."""
    papers = []
    for dark in (False, True):
        with Browser(dark=dark) as page:
            opened(page, path)
            poor = page.run(CONTRASTS)
            assert poor == [], poor
            papers.append(page.run("getComputedStyle(document.body).backgroundColor"))
            page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert page.run(CONTRASTS) == [], page.run(CONTRASTS)
    assert papers[0] != papers[1], papers


def phone(path):
    """As wide as a phone: nothing but tables and preformatted text scrolls sideways, and these do so in themselves."""
    with Browser(width=360, height=740, touch=True) as page:
        opened(page, path)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.run("document.documentElement.scrollWidth") <= 360, page.run("document.documentElement.scrollWidth")
        wide = page.run("""[...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll, pre.table") && e.offsetParent && e.getBoundingClientRect().right > 360.5).map(e => e.tagName + " " + e.className + " " + e.textContent.slice(0, 30))""")
        assert wide == [], wide
        small = page.run("""[...document.querySelectorAll(".chart canvas")].filter(c => c.clientWidth < 250).length""")
        assert small == 0, small


def keyboard(path):
    """Tab reaches every control in the order of the page, each shows that it has the focus, and Shift-Tab leads back."""
    controls = """[...document.querySelectorAll("button,input,select,summary,[tabindex='0']")].filter(e => e.checkVisibility ? e.checkVisibility() : e.offsetParent)"""
    with Browser() as page:
        opened(page, path)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        wanted = page.run("(" + controls + ").map((e, i) => (e.dataset.number = i, e.tagName))")
        assert len(wanted) > 5, wanted
        unseen, reached = [], []
        for _ in wanted:
            page.press("Tab")
            number, visible = page.run("(e => [e.dataset.number, getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) >= 2])(document.activeElement)")
            reached.append(number)
            if not visible:
                unseen.append(number)
        assert reached == [str(i) for i in range(len(wanted))], (reached, wanted)
        assert unseen == [], unseen
        page.press("Tab", modifiers=8)
        assert page.run("document.activeElement.dataset.number") == str(len(wanted) - 2)
        unnamed = page.run("(" + controls + ").filter(e => !(e.innerText || e.getAttribute('aria-label') || (e.labels && e.labels.length))).length")
        assert unnamed == 0, unnamed


def legend(path):
    """A series is hidden and shown again with the keyboard alone, and no two series of a chart look alike without colour."""
    with Browser() as page:
        opened(page, path)
        chart = "document.querySelector('.chart canvas')"
        before = page.run(PIXELS + "(" + chart + ")")
        page.run("document.querySelector('.legend button').focus()")
        page.press("Enter")
        assert page.run("document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"
        assert page.run(PIXELS + "(" + chart + ")") != before
        page.press("Enter")
        assert page.run("document.querySelector('.legend button').getAttribute('aria-pressed')") == "true"
        # Grey is what is left of a swatch without colour: which of its pixels are lighter than their mean.
        alike = page.run("""[...document.querySelectorAll(".legend")].flatMap(list => {
          const looks = [...list.querySelectorAll("canvas")].map(c => {
            const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, alpha = [], light = [];
            for (let i = 0; i < p.length; i += 4) { alpha.push(p[i + 3] > 127); light.push(p[i + 3] > 127 ? p[i] + p[i + 1] + p[i + 2] : 0); }
            const mean = light.reduce((a, b) => a + b, 0) / Math.max(1, alpha.filter(Boolean).length);
            return light.map((v, i) => alpha[i] ? (v > mean + 8 ? 2 : 1) : 0).join("");
          });
          return looks.filter((look, i) => looks.indexOf(look) !== i).map((_, i) => list.innerText);
        })""")
        assert alike == [], alike


def timeline(path):
    """Boxes are there as pixels; buttons, keys, wheel, a dragging pointer and two fingers change what is shown, and All shows all."""
    with Browser(width=800, height=700, touch=True) as page:
        opened(page, path)
        pixels = page.run(PIXELS + "(" + TIMELINE + ")")
        well, bad = pixels.get("0,114,178,255", 0), pixels.get("179,71,0,255", 0)
        assert well > 200 and bad > 4, (well, bad)
        whole = page.run(VIEW)
        page.run(TIMELINE + ".scrollIntoView({block: 'center'})")
        left, top, width, height = page.run("(r => [r.left, r.top, r.width, r.height])(" + TIMELINE + ".getBoundingClientRect())")
        middle, y = left + width / 2, top + height / 2
        click = lambda name: page.run("document.querySelector('#timeline button[aria-label=\"%s\"]').click()" % name)

        def span():
            begin, end = page.run(VIEW)
            assert whole[0] <= begin < end <= whole[1] * (1 + 1e-9), (begin, end, whole)
            return end - begin

        def all_again():
            click("show all")
            assert page.run(VIEW) == whole

        click("zoom in")
        assert abs(span() / whole[1] - 0.5) < 1e-6, span()
        zoomed = page.run(VIEW)
        assert page.run(PIXELS + "(" + TIMELINE + ")") != pixels
        click("move right")
        assert page.run(VIEW)[0] > zoomed[0] and abs(span() - (zoomed[1] - zoomed[0])) < 1e-12
        click("move left")
        click("zoom out")
        assert abs(span() - whole[1]) < 1e-12
        for key, changes in (("+", True), ("ArrowRight", True), ("ArrowLeft", True), ("-", True), ("+", True), ("0", True)):
            page.run(TIMELINE + ".focus()")
            before = page.run(VIEW)
            page.press(key, number={"+": 187, "-": 189, "0": 48}.get(key, 0))
            assert (page.run(VIEW) != before) == changes, (key, before)
        assert page.run(VIEW) == whole
        page.mouse("mouseWheel", middle, y, deltaX=0, deltaY=-100)
        assert span() < whole[1]
        zoomed = page.run(VIEW)
        page.mouse("mousePressed", middle, y, button="left", clickCount=1)
        page.mouse("mouseMoved", middle - 60, y, button="left", buttons=1)
        page.mouse("mouseReleased", middle - 60, y, button="left", clickCount=1)
        moved = page.run(VIEW)
        assert moved[0] > zoomed[0] and abs(span() - (zoomed[1] - zoomed[0])) < 1e-12, (zoomed, moved)
        page.mouse("mouseMoved", middle, y)
        assert page.run(VIEW) == moved, "the pointer was let go"
        all_again()
        # Fingers move apart: what was between them grows.
        page.fingers("touchStart", (middle - 20, y), (middle + 20, y))
        for step in range(1, 6):
            page.fingers("touchMove", (middle - 20 - 10 * step, y), (middle + 20 + 10 * step, y))
        page.fingers("touchEnd")
        pinched = page.run(VIEW)
        assert span() < 0.5 * whole[1] and pinched[0] < whole[1] / 2 < pinched[1], (pinched, whole)
        page.fingers("touchStart", (middle, y))
        page.fingers("touchMove", (middle + 50, y))
        page.fingers("touchEnd")
        assert page.run(VIEW)[0] < pinched[0] and abs(span() - (pinched[1] - pinched[0])) < 1e-9
        all_again()
        # All is shown, so the wheel scrolls the page on.
        page.run("scrollTo(0, 0)")
        page.run(TIMELINE + ".scrollIntoView({block: 'start'})")
        at = page.run("scrollY")
        page.mouse("mouseWheel", middle, 20, deltaX=0, deltaY=120)
        page.run("new Promise(done => { const until = performance.now() + 5000; const look = () => scrollY !== %s || performance.now() > until ? done() : requestAnimationFrame(look); look(); })" % at)
        assert page.run("scrollY") > at and page.run(VIEW) == whole


def filters(path):
    """Of failures those are shown that have both the status and the text that were asked for."""
    with Browser() as page:
        opened(page, path)
        shown = lambda: page.run("[...document.querySelectorAll('#failures tbody tr:not([hidden])')].map(r => [r.cells[0].innerText, r.cells[1].innerText])")
        choose = lambda value: page.run("(s => { s.value = '%s'; s.dispatchEvent(new Event('change')); })(document.getElementById('filter-status'))" % value)
        everything = shown()
        statuses = page.run("[...document.getElementById('filter-status').options].map(o => o.value)")
        assert statuses[0] == "all" and len(statuses) > 2 and set(statuses[1:]) == {status for _, status in everything}, statuses
        for status in statuses[1:]:
            choose(status)
            assert shown() == [row for row in everything if row[1] == status], (status, shown())
            assert page.run("document.getElementById('filter-count').innerText") == "%d of %d" % (len(shown()), len(everything))
        choose("all")
        name = everything[0][0]
        page.run("document.getElementById('filter-text').focus()")
        for letter in name:
            page.press(letter)
        assert shown() == [row for row in everything if name in row[0]] and shown() != everything, shown()
        choose(next(status for status in statuses[1:] if status != everything[0][1]))
        assert shown() == [], "both must fit"


def copied(path):
    """What is copied is the whole table, a line for each row, cells with tabs between them; also where clipboards are not allowed."""
    with Browser() as page:
        opened(page, path)
        copied = page.run("""(async () => {
          const texts = [];
          Object.defineProperty(navigator, "clipboard", { value: { writeText: async text => { texts.push(text); } }, configurable: true });
          for (const details of document.querySelectorAll("details")) {
            details.open = true;
            details.querySelector("button").click();
          }
          await new Promise(done => setTimeout(done, 50));
          return [...document.querySelectorAll("details")].map((details, i) => [texts[i], [...details.querySelectorAll("tr")].map(row => [...row.cells].map(cell => cell.textContent).join("\\t")).join("\\n"), details.querySelector("[role=status]").innerText]);
        })()""")
        assert len(copied) >= 1
        for text, seen, said in copied:
            assert text == seen and "\t" in text and text.count("\n") >= 1, (text[:200], seen[:200])
            assert said.strip() == "copied"
        page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }); window.taken = null;"
                 "document.addEventListener('copy', () => { window.taken = String(getSelection()) || document.activeElement.value; })")
        page.run("document.querySelector('details button').click()")
        assert page.run("window.taken") == copied[0][0], (page.run("window.taken"), copied[0][0])
        assert page.run("document.querySelector('textarea')") is None
        assert page.run("document.activeElement === document.querySelector('details button')"), "the focus is where it was"


def seen(path):
    """Prints what the page says, for the test to compare."""
    with Browser() as page:
        opened(page, path)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        print(json.dumps({
            "charts": page.run("[...document.querySelectorAll('.chart canvas')].map(c => c.getAttribute('aria-label'))"),
            "text": page.run("document.body.innerText"),
            "command": page.run("[...document.querySelectorAll('th')].find(h => h.innerText === 'command line').nextSibling.textContent"),
            "tables": page.run("Object.fromEntries([...document.querySelectorAll('details')].map(d => [(d.closest('section').id || d.closest('section').querySelector('h2').innerText) + ': ' + d.querySelector('summary').innerText, [...d.querySelectorAll('tr')].map(r => [...r.cells].map(c => c.textContent))]))"),
        }))


if __name__ == "__main__":
    check, path = sys.argv[1:]
    {f.__name__: f for f in (colours, phone, keyboard, legend, timeline, filters, copied, seen)}[check](path)
