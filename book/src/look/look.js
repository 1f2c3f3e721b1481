// Two terminals and five switches. What they show is in states.js, captured from a kernel; nothing here makes it up.
"use strict";

(function () {
    const place = document.getElementById("look");
    const states = window.lookStates;
    if (!place || !states) return;

    const SWITCHES = [
        { name: "uts", label: "UTS", flag: "CLONE_NEWUTS" },
        { name: "pid", label: "PID", flag: "CLONE_NEWPID" },
        { name: "mount", label: "mount", flag: "CLONE_NEWNS" },
        { name: "cgroup", label: "cgroup", flag: "CLONE_NEWCGROUP" },
        { name: "net", label: "network", flag: "CLONE_NEWNET" },
    ];

    // What there is to say about a frame. All that fit are said.
    const NOTES = [
        {
            fits: (has, root, count) => count === 0 && root,
            text: "The box is a process like any other. Even its <code>hostname box</code> worked, on the machine: look left.",
            chapter: ["steps/01-uts/uts.html", "A name of its own"],
        },
        {
            fits: (has, root, count) => count === 0 && !root,
            text: "The box is a process of yours like any other, and may do what you may: not rename the machine.",
            chapter: ["start/before.html", "What a process is"],
        },
        {
            fits: (has, root, count) => !root && count > 0,
            text: "Without root the kernel refuses every one of these flags, unless a user namespace comes with it. " +
                "So there is one: on the left you are <code>you</code>, on the right the same process is root. " +
                "<code>nobody</code> is whoever has no number in there.",
            chapter: ["steps/01-uts/user.html", "Root is relative"],
        },
        {
            fits: (has) => has("uts"),
            text: "Two UTS namespaces, two hostnames. The box changed its own.",
            chapter: ["steps/01-uts/uts.html", "A name of its own"],
        },
        {
            fits: (has, root, count) => !has("uts") && root && count > 0,
            text: "Look left: the box has renamed the machine. There is one hostname, and both mean it.",
            chapter: ["steps/01-uts/uts.html", "A name of its own"],
        },
        {
            fits: (has, root, count) => !has("uts") && !root && count > 0,
            text: "Root in there, and still not allowed to set the hostname: it is the machine's, and belongs to a user " +
                "namespace in which you are nobody special.",
            chapter: ["steps/01-uts/user.html", "Root is relative"],
        },
        {
            fits: (has) => has("pid") && !has("mount"),
            text: "The box is process 1 by its own count, and <code>ps</code> lists the host. <code>ps</code> asks " +
                "<code>/proc</code>, and that one was mounted for the old PID namespace. It takes a mount to see the new one.",
            chapter: ["steps/02-pid-mount/pid.html", "Process 1"],
        },
        {
            fits: (has) => has("pid") && has("mount"),
            text: "A <code>/proc</code> mounted by process 1 lists the processes of its PID namespace. On the left the same " +
                "box has another number: a process has one in each PID namespace above it.",
            chapter: ["steps/02-pid-mount/pid.html", "Process 1"],
        },
        {
            fits: (has, root) => has("mount") && !has("pid") && root,
            text: "A new mount namespace begins as a copy. One mount was added to the copy, and the host's count stays. " +
                "<code>ps</code> says what it said: another <code>/proc</code>, the same PID namespace.",
            chapter: ["steps/02-pid-mount/mounts.html", "A root of its own"],
        },
        {
            fits: (has, root) => has("mount") && !has("pid") && !root,
            text: "The mount table is a copy that the box may change, and yet this mount is refused: a <code>/proc</code> may " +
                "be mounted by who has power over the PID namespace it shows, and that is the host's.",
            chapter: ["steps/02-pid-mount/mounts.html", "A root of its own"],
        },
        {
            fits: (has) => has("cgroup"),
            text: "The box was put into the cgroup <code>/box</code> before it began. Its own cgroup namespace calls that " +
                "place <code>/</code>. Nothing is limited by this: it changes a name.",
            chapter: ["steps/03-cgroups/limits.html", "So much and no more"],
        },
        {
            fits: (has) => has("net"),
            text: "A new network namespace has only a loopback, which is down. A link that leads out of it has to be attached.",
            chapter: ["steps/05-veth-bridge/link.html", "A veth pair"],
        },
    ];

    const wanted = { on: new Set(), root: false };
    let shown = null;
    let guessing = true;

    function find(setting) {
        const isSame = (state) =>
            state.root === setting.root &&
            state.on.length === setting.on.size &&
            state.on.every((name) => setting.on.has(name));
        return states.find(isSame);
    }

    function make(tag, attributes, ...children) {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(attributes || {})) {
            if (name === "html") element.innerHTML = value;
            else element.setAttribute(name, value);
        }
        element.append(...children);
        return element;
    }

    // Pids are other ones in each capture; 1 is the one that means something.
    function plain(command, line) {
        const hasPids = command.includes("ps ") || command.startsWith("echo");
        return hasPids ? line.replace(/\b\d+\b/g, (n) => (n === "1" ? n : "N")).replace(/\s+/g, " ") : line;
    }

    function changedLines(before, after, command) {
        const old = new Set((before || []).map((line) => plain(command, line)));
        return after.map((line) => before !== undefined && !old.has(plain(command, line)));
    }

    function isChanged(before, after) {
        const text = (asked) => asked.answer.map((line) => plain(asked.command, line)).join("\n");
        return text(before) !== text(after);
    }

    // The page once; what changes in it below.
    const boxes = {};
    function checkbox(name, key, label, isOn, change) {
        const box = make("input", { type: "checkbox", id: "look-" + name });
        box.checked = isOn;
        box.addEventListener("change", () => change(box.checked));
        boxes[key] = box;
        return make("label", { for: "look-" + name, class: "look-switch" }, box, " " + label + " ", make("kbd", {}, key));
    }

    const switches = make("fieldset", {}, make("legend", {}, "Namespaces of its own"));
    SWITCHES.forEach((item, n) => {
        switches.append(checkbox(item.name, String(n + 1), item.label, false, (isOn) => {
            if (isOn) wanted.on.add(item.name);
            else wanted.on.delete(item.name);
            change(item.label, isOn);
        }));
    });
    const who = make("fieldset", {}, make("legend", {}, "And"));
    who.append(
        checkbox("root", "r", "as root", false, (isOn) => {
            wanted.root = isOn;
            change("root", isOn);
        }),
        checkbox("guess", "g", "guess first", true, (isOn) => {
            guessing = isOn;
            if (!isOn) show();
        }),
    );
    const code = make("pre", { class: "look-code" });
    const question = make("div", { class: "look-question", "aria-live": "polite" });
    const host = make("pre", { id: "look-host", tabindex: "0", "aria-label": "What the host prints" });
    const inside = make("pre", { id: "look-inside", tabindex: "0", "aria-label": "What the box prints" });
    const notes = make("ul", { class: "look-notes" });
    const labels = make("table", { class: "look-labels" });
    place.append(
        make("div", { class: "look-switches" }, switches, who),
        code,
        question,
        make("div", { class: "look-terminals" },
            make("section", {}, make("h3", { id: "look-host-title" }, "host"), host),
            make("section", {}, make("h3", { id: "look-inside-title" }, "inside"), inside)),
        notes,
        labels,
    );

    function change(label, isOn) {
        const next = find(wanted);
        if (next === shown) {
            question.replaceChildren();
            place.classList.remove("look-waits");
        } else if (guessing) {
            ask(label, isOn, next);
        } else {
            show();
        }
    }

    // Pick the answer that will be another one.
    function ask(label, isOn, next) {
        place.classList.add("look-waits");
        const changed = next.inside.filter((asked, n) => isChanged(shown.inside[n], asked)).map((asked) => asked.command);
        const title = make("p", {}, `You turn ${isOn ? "on" : "off"} `, make("strong", {}, label),
            ". Which of these will print something else inside?");
        const choices = make("div", { class: "look-choices" });
        const answer = (picked) => {
            show();
            const isRight = picked === "" ? changed.length === 0 : changed.includes(picked);
            const verdict = make("p", { class: isRight ? "look-right" : "look-wrong" }, isRight ? "Yes. " : "No. ");
            if (changed.length === 0) {
                verdict.append("Nothing changes inside.");
            } else {
                verdict.append(changed.length === 1 ? "This one changes: " : "These change: ");
                changed.forEach((command, n) => verdict.append(n ? ", " : "", make("code", {}, command)));
                verdict.append(".");
            }
            question.replaceChildren(verdict);
        };
        for (const command of [...next.inside.map((asked) => asked.command), ""]) {
            const button = make("button", { type: "button" }, command ? make("code", {}, command) : "none of them");
            button.addEventListener("click", () => answer(command));
            choices.append(button);
        }
        question.replaceChildren(title, choices);
    }

    function show() {
        const before = shown;
        shown = find(wanted);
        place.classList.remove("look-waits");
        question.replaceChildren();
        const flags = SWITCHES.filter((item) => wanted.on.has(item.name)).map((item) => item.flag);
        if (flags.length && !wanted.root) flags.unshift("CLONE_NEWUSER");
        code.replaceChildren(
            make("span", {}, `clone(${[...flags, "SIGCHLD"].join(" | ")})\n`),
            make("span", { class: "look-typed" }, `${wanted.root ? "#" : "$"} ${shown.command}`),
        );
        terminal(host, shown.root, shown.host, before && before.host);
        terminal(inside, shown.root || shown.on.length > 0, [...shown.first, ...shown.inside],
            before && [...before.first, ...before.inside]);
        tell();
        list(before);
    }

    function terminal(element, isRoot, asked, before) {
        element.replaceChildren();
        for (const { command, answer } of asked) {
            const old = before && before.find((other) => other.command === command);
            const isNew = before !== null && old === undefined;
            const line = make("span", { class: isNew ? "look-typed look-changed" : "look-typed" });
            line.append(`${isRoot ? "#" : "$"} ${command}\n`);
            element.append(line);
            const changed = changedLines(before ? (old ? old.answer : []) : undefined, answer, command);
            answer.forEach((text, n) => {
                element.append(make("span", changed[n] ? { class: "look-changed" } : {}, text + "\n"));
            });
        }
    }

    function tell() {
        const has = (name) => wanted.on.has(name);
        const fitting = NOTES.filter((note) => note.fits(has, wanted.root, wanted.on.size));
        notes.replaceChildren(...fitting.map(({ text, chapter: [page, title] }) => {
            const item = make("li", { html: text + " " });
            item.append(make("a", { href: page }, title));
            return item;
        }));
    }

    function list(before) {
        const rows = shown.labels.map(({ kind, host: ours, inside: theirs }, n) => {
            const isNew = ours !== theirs;
            const old = before && before.labels[n];
            const flashes = old && (old.host !== old.inside) !== isNew;
            return make("tr", flashes ? { class: "look-changed" } : {},
                make("th", { scope: "row" }, kind),
                make("td", {}, ours.replace(/.*\[|\]/g, "")),
                make("td", {}, theirs.replace(/.*\[|\]/g, "")),
                make("td", {}, isNew ? "new" : "shared"));
        });
        const head = make("tr", {}, ...["/proc/self/ns/", "host", "inside", ""].map((text) => make("th", { scope: "col" }, text)));
        labels.replaceChildren(make("caption", {}, "The labels of both"), make("thead", {}, head), make("tbody", {}, ...rows));
    }

    // 1 to 5, r and g, wherever no text is being typed.
    document.addEventListener("keydown", (event) => {
        const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
        if (isTyping || event.ctrlKey || event.altKey || event.metaKey || !boxes[event.key]) return;
        event.preventDefault();
        boxes[event.key].click();
    });

    show();
})();
