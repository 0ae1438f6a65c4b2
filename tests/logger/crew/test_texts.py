"""The texts of the pages: whole in every language, on the page in the crew's own, and none beside them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logger.crew.guard import TEXTS
from tests.logger.crew.browsing import SIZES, fresh, listen, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.load_sensitive

STATIC = Path(str(resources.files("logger.crew") / "static"))
LANGUAGES = tuple(Path(name).stem for name in TEXTS)
PAGES = tuple(sorted(path.name for path in STATIC.glob("*.html")))
SCRIPTS = tuple(sorted(path.name for path in STATIC.glob("*.js")))
LATIN = {"LOG", "GPS", "CAN", "DBC", "UTC", "USB", "kB", "MB", "GB", "hdop", "OBD", "km"}
LATIN |= {"serve", "compliance"}
"""What stays as it is in Arabic: names of devices, interfaces, units of computers and keys of the configuration."""
NOT_TEXTS = {"BroadcastChannel", "Enter", "Escape", "POST", "UTC", "against behind"}
"""Names of keys, classes and the like in the scripts."""
OWN_NAMES = {"English", "Deutsch", "Français", "Español", "العربية"}
"""A language is called by its own name."""
MARKED = """() => {
  const told = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const {textContent: text, parentElement: {tagName}} = walk.currentNode;
    if (!["SCRIPT", "STYLE"].includes(tagName)) told.push(text);
  }
  for (const element of document.querySelectorAll("[aria-label]")) told.push(element.getAttribute("aria-label"));
  return told.filter(text => /\\p{L}/u.test(text)); }"""
"""Every text of the page with a letter in it."""
CUT = """() => [...document.querySelectorAll('button, main span:not(#marks span), h2, label')].filter(element =>
    element.offsetParent
      && (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline'
      || element.getBoundingClientRect().right > innerWidth + 1 || element.getBoundingClientRect().left < -1))
  .map(element => element.outerHTML)"""
"""Buttons and labels whose text does not fit."""


def texts(language: str) -> dict[str, str]:
    """The texts of a language, by key. A key that is there twice fails."""
    source = (STATIC / "texts" / f"{language}.js").read_text(encoding="utf-8")
    comment, _, body = source.partition("export default ")
    assert comment.startswith("// ")
    pairs: list[tuple[str, str]] = json.loads(body.rstrip().removesuffix(";"), object_pairs_hook=list)
    assert len(pairs) == len(dict(pairs)), "a key is there twice"
    return dict(pairs)


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def words(text: str) -> set[str]:
    """The Latin words of a text, without its places."""
    return set(re.findall(r"[A-Za-z]{2,}", re.sub(r"\{\w+\}", "", text)))


def speaking(page: Page, language: str) -> None:
    """Show the page in a language, as one who chose it."""
    page.add_init_script(f"localStorage.setItem('language', '{language}')")


# -- the files ----------------------------------------------------------------------------------------------


def test_the_languages_are_those_of_the_page_and_of_the_server() -> None:
    assert sorted(LANGUAGES) == sorted(path.stem for path in (STATIC / "texts").iterdir())
    source = (STATIC / "texts.js").read_text()
    offered = re.search(r"LANGUAGES = \{(.*)\}", source)
    assert offered
    assert sorted(re.findall(r"(\w\w): ", offered[1])) == sorted(LANGUAGES)


def test_a_wheel_holds_every_file_of_the_pages() -> None:
    """And whatever else lies beside the modules: styles, scripts, texts, stages, schemas, the man page."""
    package = STATIC.parents[1]
    project = tomllib.loads((package.parent / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["logger"]
    packed = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    beside = {
        path
        for path in package.rglob("*")
        if path.is_file()
        and path.suffix not in {".py", ".pyc", ".md"}  # read in the repository, not installed
    }
    assert {path.parent.name for path in beside} >= {"static", "texts", "page", "json_schemas"}
    assert sorted(beside - packed) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_its_places(language: str) -> None:
    english, own = texts("en"), texts(language)
    assert list(own) == list(english)
    assert {key: places(text) for key, text in own.items()} == {
        key: places(text) for key, text in english.items()
    }
    assert all(text.strip() == text != "" for text in own.values())


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_translation_is_one(language: str) -> None:
    """Most texts of two words or more differ from the English ones; Arabic is in Arabic letters."""
    english, own = texts("en"), texts(language)
    long = [key for key, text in english.items() if len(words(text)) > 1]
    assert [key for key in long if own[key] == english[key]] == []
    if language == "ar":
        latin = {key: words(text) - LATIN for key, text in own.items()}
        assert {key: found for key, found in latin.items() if found} == {}


def test_the_built_in_alarms_have_texts() -> None:
    rules = tomllib.loads((resources.files("logger.stage") / "rules_default.toml").read_text())
    wanted = {
        f"alarm.{alarm['name']}.{key}": alarm[source]
        for alarm in rules["alarm"]
        for key, source in (("name", "name"), ("message", "message"))
    }
    english = texts("en")
    assert {key: text for key, text in english.items() if re.match(r"alarm\..+\.", key)} == wanted


class _Texts(HTMLParser):
    """What a page holds itself: its texts, and the attributes that are read to people."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.keys: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [values[name] or "" for name in ("aria-label", "title", "alt") if name in values]
        self.keys |= {values[name] or "" for name in ("data-text", "data-label") if name in values}

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_holds_no_text_itself(name: str) -> None:
    parser = _Texts()
    parser.feed((STATIC / name).read_text())
    assert {text.strip() for text in parser.found if re.search(r"[^\W\d_]", text)} <= {"stagelog", "UTC"}
    assert parser.keys <= texts("en").keys()


def literals(script: str) -> Iterator[str]:
    """The string literals of a script, and the fixed parts of its templates."""
    piece = r"//[^\n]*|/\*.*?\*/|\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`"
    for match in re.finditer(piece, script, re.DOTALL):
        quoted = match[1] or match[2]
        yield from [quoted] if quoted else []
        if match[3]:
            yield from literals(" ".join(re.findall(r"\$\{(.*?)\}", match[3])))
            yield from re.split(r"\$\{.*?\}", match[3])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_holds_no_text_itself(name: str) -> None:
    """Words that a script puts together: two in a row, or one with a capital, which no key and no selector is."""
    found = [
        literal
        for literal in literals((STATIC / name).read_text())
        if re.search(r"[^\W\d_]{2,} [^\W\d_]{2,}(?![^ ]*[\[.#:=])|^[A-Z][a-z]+|^[A-Z]{3,}", literal)
        and not re.match(r"alarm (critical|warn|info)|stick wrong|main \[|#|\[", literal)
    ]
    assert set(found) <= NOT_TEXTS | OWN_NAMES


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_asks_for_texts_that_there_are(name: str) -> None:
    source = (STATIC / name).read_text()
    asked = set(re.findall(r"\btext\(\"([^\"]+)\"", source))
    assert asked <= texts("en").keys()


def test_no_text_is_left_over() -> None:
    """A key that no page and no script names, and that no name is put together with, is not read by anybody."""
    sources = "".join((STATIC / name).read_text() for name in (*PAGES, *SCRIPTS)) + (
        STATIC.parent / "pages.py"
    ).read_text(encoding="utf-8")
    begun = set(re.findall(r"`([a-z_]+\.)\$\{", sources)) | {
        f"{group}." for group in re.findall(r"keysOf\(\"(\w+)\"\)", sources)
    }
    pairs = re.findall(r"(\w+): \[\"(\w+)\", \"(\w+)\"\]", sources)
    begun |= {f"{name}.{option}" for name, *options in pairs for option in options}
    left = [key for key in texts("en") if f'"{key}"' not in sources and not key.startswith(tuple(begun))]
    assert left == []


# -- the page -----------------------------------------------------------------------------------------------


def marked(route: Route) -> None:
    """Answer with English texts, each between brackets that nothing else on the page has."""
    body = {key: f"⟦{text}⟧" for key, text in texts("en").items()}
    route.fulfill(content_type="text/javascript", body=f"export default {json.dumps(body)};")


def test_all_that_is_read_came_through_the_texts(browser: Browser, served: Served, car: LiveCar) -> None:
    """Besides the texts there are only the names that recorder and itinerary gave."""
    context = browser.new_context(viewport={"width": 1024, "height": 600}, locale="fr-FR")
    page = context.new_page()
    complaints = listen(page)
    page.route("**/texts/fr.js", marked)
    page.goto(served.url + "/#navigator")
    fresh(page)
    car.engine["coolant_c"] = 125.0
    page.click("[data-do=section]")
    page.wait_for_selector("#alarm:visible")
    page.click("#acknowledge")
    page.keyboard.press("h")
    page.wait_for_selector("#position:visible")
    found = page.evaluate(MARKED)
    told = json.dumps(car.published, ensure_ascii=False)
    outside = {re.sub(r"⟦[^⟦⟧]*⟧", "", re.sub(r"⟦[^⟦⟧]*⟧", "", text)) for text in found}
    left = {word for text in outside for word in re.findall(r"[^\W\d_]{2,}", text)} - {"UTC"}
    left -= {key.removeprefix("code.").upper() for key in texts("en")} | OWN_NAMES
    assert {word for word in left if word.lower() not in told.lower()} == set()
    assert sum("⟦" in text for text in found) > 40
    car.engine["coolant_c"] = 91.0
    assert complaints == []
    context.close()


@pytest.mark.matrix(3)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_fits_in_every_language(
    browser: Browser, served: Served, car: LiveCar, language: str, size: tuple[int, int], tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    speaking(page, language)
    for view in ("driver", "navigator"):
        page.goto(f"{served.url}/#{view}")
        fresh(page)
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == [
            language, "rtl" if language == "ar" else "ltr"]  # fmt: skip
        assert page.inner_text("header [data-choice=theme] [data-now]") in texts(language).values()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.evaluate(CUT) == []
        page.screenshot(path=tmp_path / f"{language}-{view}.png")
        for key in "colh":
            page.keyboard.press(key)
            assert page.evaluate(CUT) == []
            page.screenshot(path=tmp_path / f"{language}-{view}-{key}.png")
    context.close()


def test_arabic_runs_from_right_to_left_and_its_figures_do_not(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, f"{served.url}/", SIZES[0]) as page:
        speaking(page, "ar")
        page.goto(served.url + "/?again#navigator")
        fresh(page)
        left = {selector: page.evaluate("selector => document.querySelector(selector).getBoundingClientRect().left",
                                        selector) for selector in ("#clock", "#health", ".now", ".trips")}  # fmt: skip
        assert left["#clock"] > left["#health"], "the bar begins on the right"
        assert left[".now"] > left[".trips"]
        assert "\u20683D\u2069" in page.inner_text("#chips"), "the figure stays before its letter"
        assert page.evaluate("getComputedStyle(document.querySelector('.trip button')).direction") == "ltr"
        here, width = page.evaluate(
            "[document.getElementById('car').offsetLeft, document.getElementById('bar').clientWidth]"
        )
        progress = car.published["section"]["progress"]
        assert here / width == pytest.approx(1 - progress, abs=0.02), "the road too"


def test_a_name_keeps_its_direction_and_turns_nothing_around(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, f"{served.url}/", SIZES[0]) as page:
        fresh(page)
        said = "async name => (await import('/texts.js')).text('limit.zone', {place: name})"
        assert page.evaluate(said, "km 24.80") == "Zone from km 24.80"
        assert page.evaluate(said, "\u202eevil\u2067") == "Zone from evil"
        assert page.evaluate(said, "العلا") == "Zone from \u2068العلا\u2069"


def test_the_language_is_the_browsers_until_one_is_chosen(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    for locale, language in (("fr-CH", "fr"), ("es-419", "es"), ("ar-SA", "ar"), ("fi-FI", "en")):
        context = browser.new_context(locale=locale)
        page = context.new_page()
        page.goto(served.url)
        fresh(page)
        assert page.get_attribute("html", "lang") == language
        context.close()


def test_a_users_own_alarm_keeps_its_words(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, f"{served.url}/", SIZES[0]) as page:
        speaking(page, "de")
        page.goto(served.url + "/?again#driver")
        fresh(page)
        said = page.evaluate(
            """async () => { const {recorded} = await import('/texts.js');
            return [recorded('alarm.coolant.message', 'Coolant is too hot'),
                    recorded('alarm.coolant.message', 'Stop at 115 degrees'),
                    recorded('alarm.tyres.name', 'tyres')]; }"""
        )
        assert said == [texts("de")["alarm.coolant.message"], "Stop at 115 degrees", "tyres"]


def test_the_pin_is_asked_for_in_the_language(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    with serving(tmp_path, car.socket, host=EVERYWHERE, pin=PIN) as server:
        context = browser.new_context(viewport={"width": 390, "height": 844}, locale="de-DE")
        page = context.new_page()
        page.goto(server.url + "/")
        until(page, "document.querySelector('button')?.innerText === 'Crew-Seite öffnen'")
        page.fill("#pin", "wrong")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('[role=alert]')?.innerText === 'Falsche PIN.'")
        while server.ask("/login", "POST", b"pin=wrong", {"origin": server.url}).status != 429:
            pass
        page.fill("#pin", "wrong")
        page.keyboard.press("Enter")
        until(
            page,
            "/^Zu viele falsche PINs. \\d+ s warten.$/.test(document.querySelector('[role=alert]')?.innerText)",
        )
        context.close()
