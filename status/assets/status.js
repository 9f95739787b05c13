// Keeps the page fresh: puts the parts of a newer page in the place of those that are marked `data-live`. Without this
// script the page is the same, but stands still.
"use strict";

(() => {
    const INTERVAL = 5000;
    const TIMEOUT = 20000;
    const told = document.getElementById("refresh");
    let paused = false;
    let timer = 0;
    let asking = false;

    const button = document.createElement("button");
    button.type = "button";
    button.id = "pause";
    button.textContent = "Pause";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
        paused = !paused;
        button.setAttribute("aria-pressed", String(paused));
        if (paused) {
            clearTimeout(timer);
        } else {
            refresh();
        }
    });
    told.after(button);

    function tell(text) {
        if (told.textContent !== text) {
            told.textContent = text;
            told.className = text ? "lost" : "";
        }
    }

    // Where the keyboard is within `part`: which of the elements that can have it, and the address if it is a link.
    function focused(part) {
        const active = document.activeElement;
        if (!part.contains(active) || active === part) {
            return null;
        }
        const same = [...part.querySelectorAll(active.tagName)];
        return { tag: active.tagName, at: same.indexOf(active), href: active.getAttribute("href") };
    }

    function focusAgain(part, was) {
        const same = [...part.querySelectorAll(was.tag)];
        const found = (was.href && same.find((element) => element.getAttribute("href") === was.href)) || same[was.at];
        if (found) {
            found.focus({ preventScroll: true });
        }
    }

    function replace(page) {
        for (const old of document.querySelectorAll("[data-live]")) {
            const fresh = page.getElementById(old.id);
            if (!fresh || fresh.outerHTML === old.outerHTML) {
                continue;
            }
            const was = focused(old);
            const scrolled = [...old.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
            const part = document.adoptNode(fresh);
            old.replaceWith(part);
            part.querySelectorAll(".wide").forEach((wide, i) => {
                wide.scrollLeft = scrolled[i] || 0;
            });
            if (was) {
                focusAgain(part, was);
            }
        }
    }

    // Text that is marked must stay so that it can be copied.
    function isMarked() {
        const selection = document.getSelection();
        return selection !== null && !selection.isCollapsed;
    }

    // The text of the page as it is now.
    async function newer() {
        const answer = await fetch(location.pathname + location.search, {
            signal: AbortSignal.timeout(TIMEOUT),
            cache: "no-store",
        });
        // A task that the host does not know yet has a page, too.
        if (!answer.ok && answer.status !== 404) {
            throw new Error(String(answer.status));
        }
        return answer.text();
    }

    async function refresh() {
        clearTimeout(timer);
        if (asking) {
            return;
        }
        if (!document.hidden && !paused && !isMarked()) {
            asking = true;
            try {
                // The host ends each connection after a minute, maybe at this moment.
                const text = await newer().catch(newer);
                replace(new DOMParser().parseFromString(text, "text/html"));
                tell("");
            } catch {
                tell("The host does not answer.");
            }
            asking = false;
        }
        clearTimeout(timer);
        if (!paused) {
            timer = setTimeout(refresh, INTERVAL);
        }
    }

    document.addEventListener("visibilitychange", () => {
        if (!document.hidden && !paused) {
            refresh();
        }
    });
    timer = setTimeout(refresh, INTERVAL);
})();
