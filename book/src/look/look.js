// Two terminals and nine switches. Everything they show is in states.js, where it was captured from a kernel.
"use strict";

(function () {
    const place = document.getElementById("look");
    const stored = window.lookStates;
    if (!place || !stored) return;

    const SWITCHES = [
        { name: "user", key: "1", label: "user", flag: "CLONE_NEWUSER" },
        { name: "uts", key: "2", label: "UTS", flag: "CLONE_NEWUTS" },
        { name: "pid", key: "3", label: "PID", flag: "CLONE_NEWPID" },
        { name: "mnt", key: "4", label: "mount", flag: "CLONE_NEWNS" },
        { name: "cgroup", key: "5", label: "cgroup", flag: "CLONE_NEWCGROUP" },
        { name: "net", key: "6", label: "network", flag: "CLONE_NEWNET" },
        { name: "ipc", key: "7", label: "IPC", flag: "CLONE_NEWIPC" },
        { name: "time", key: "8", label: "time", flag: "CLONE_NEWTIME" },
        { name: "proc", key: "p", label: "mount /proc" },
    ];

    // What there is to say about a state. Every note that fits is shown. `power` means: root of the host, and in no other
    // user namespace. `own` means: an unprivileged user in a user namespace, or root in one.
    const NOTES = [
        {
            fits: (s) => s.power && s.count === 0,
            text: "The box is a process like any other, in the namespaces of the host, and it is root. Its command " +
                "<code>hostname box</code> has renamed the machine: look at the terminal <b>host</b>.",
            chapter: ["steps/01-uts/uts.html", "1. Hostnames: the UTS namespace"],
        },
        {
            fits: (s) => !s.root && s.count === 0,
            text: "The box is one of your processes, in the namespaces of the host. The kernel does not let it rename the " +
                "machine, because only root may do that.",
            chapter: ["start/before.html", "Before step 1: what a process is"],
        },
        {
            fits: (s) => s.refused,
            text: "The kernel refuses, so there is no box. Only root may make these namespaces, with one exception: every " +
                "user may make a user namespace. Turn the user namespace on as well.",
            chapter: ["steps/01-uts/user.html", "Users: the user namespace"],
        },
        {
            fits: (s) => s.own && !s.root,
            text: "A user namespace has its own user numbers. Inside, the box is user 0, which is root. On the host the same " +
                "box belongs to <code>you</code>. <code>nobody</code> stands for every user that has no number inside.",
            chapter: ["steps/01-uts/user.html", "Users: the user namespace"],
        },
        {
            fits: (s) => s.own && s.root,
            text: "The box is root in its own user namespace only. It has no power any more over what belongs to the user " +
                "namespace of the host.",
            chapter: ["steps/01-uts/user.html", "Users: the user namespace"],
        },
        {
            fits: (s) => s.runs && s.has("uts"),
            text: "There are two UTS namespaces, and each has a hostname. The box has changed its own.",
            chapter: ["steps/01-uts/uts.html", "1. Hostnames: the UTS namespace"],
        },
        {
            fits: (s) => s.power && s.count > 0 && !s.has("uts"),
            text: "Look at the terminal <b>host</b>: the box has renamed the machine. Both sides are in the same UTS namespace, so " +
                "they have one hostname.",
            chapter: ["steps/01-uts/uts.html", "1. Hostnames: the UTS namespace"],
        },
        {
            fits: (s) => s.own && !s.has("uts"),
            text: "The box is root inside, but it may not set the hostname. The hostname is in the UTS namespace of the host, " +
                "which belongs to the user namespace of the host.",
            chapter: ["steps/01-uts/user.html", "Users: the user namespace"],
        },
        {
            fits: (s) => s.runs && s.has("pid") && !s.mounted,
            text: "The box is process 1 of its PID namespace, but <code>ps</code> lists the processes of the host. The reason: " +
                "<code>ps</code> reads <code>/proc</code>, and this <code>/proc</code> was mounted for the PID namespace of the host.",
            chapter: ["steps/02-pid-mount/pid.html", "2. Processes: the PID namespace"],
        },
        {
            fits: (s) => s.has("pid") && s.mounted && s.has("mnt"),
            text: "The box has mounted a <code>/proc</code> of its own, which lists the processes of its PID namespace only. On " +
                "the host the same box has another number, because a process has one number in each PID namespace above it.",
            chapter: ["steps/02-pid-mount/pid.html", "2. Processes: the PID namespace"],
        },
        {
            fits: (s) => s.has("pid") && s.mounted && !s.has("mnt"),
            text: "Look at the terminal <b>host</b>: the host is damaged. Both sides have the same mounts, so the <code>/proc</code> of " +
                "the box has covered the one of the host. It does not know the processes of the host. Turn the mount namespace on.",
            chapter: ["steps/02-pid-mount/mounts.html", "Files: mounts and pivot_root"],
        },
        {
            fits: (s) => !s.has("pid") && s.mounted && !s.has("mnt"),
            text: "The box has mounted a second <code>/proc</code> over the first. Both sides have the same mounts, so the number " +
                "of mounts has grown on both.",
            chapter: ["steps/02-pid-mount/mounts.html", "Files: mounts and pivot_root"],
        },
        {
            fits: (s) => !s.has("pid") && s.mounted && s.has("mnt"),
            text: "The box has one mount more than the host. Its <code>/proc</code> shows what the first one shows, because the " +
                "PID namespace is the same.",
            chapter: ["steps/02-pid-mount/mounts.html", "Files: mounts and pivot_root"],
        },
        {
            fits: (s) => s.runs && s.has("proc") && !s.mounted && !s.has("mnt"),
            text: "The kernel refuses the mount. The list of mounts belongs to the host, and the box has no power over it. It " +
                "takes a mount namespace of its own.",
            chapter: ["steps/02-pid-mount/mounts.html", "Files: mounts and pivot_root"],
        },
        {
            fits: (s) => s.runs && s.has("proc") && !s.mounted && s.has("mnt"),
            text: "The box has its own list of mounts, but the kernel refuses this mount. A process may mount a " +
                "<code>/proc</code> only if it has power over the PID namespace that this <code>/proc</code> would show. " +
                "Turn the PID namespace on.",
            chapter: ["steps/02-pid-mount/mounts.html", "Files: mounts and pivot_root"],
        },
        {
            fits: (s) => s.runs && s.has("mnt") && !s.has("proc"),
            text: "A new mount namespace begins as a copy, so both sides have the same number of mounts. From here on each " +
                "side changes its own list. Let the box mount something: turn <code>mount /proc</code> on.",
            chapter: ["steps/02-pid-mount/mounts.html", "Files: mounts and pivot_root"],
        },
        {
            fits: (s) => s.runs && s.has("cgroup"),
            text: "The box was put into the cgroup <code>/box</code> before it began. In its cgroup namespace that cgroup is " +
                "called <code>/</code>. Only the name changes: a cgroup namespace limits nothing.",
            chapter: ["steps/03-cgroups/limits.html", "3. Limits: cgroups"],
        },
        {
            fits: (s) => s.runs && s.has("net"),
            text: "A new network namespace has one interface, the loopback <code>lo</code>, and it is down. To reach anything " +
                "it takes a link to another network namespace.",
            chapter: ["steps/05-veth-bridge/link.html", "5. Networks: veth pair and bridge"],
        },
        {
            fits: (s) => s.runs && s.has("ipc"),
            text: "The host has made a message queue. A process in another IPC namespace does not see that queue, and cannot " +
                "send anything to it.",
            chapter: ["lab/ipc.html", "IPC: shared memory and message queues"],
        },
        {
            fits: (s) => s.runs && s.has("time"),
            text: "Inside, the clock that counts the time since the boot is 100 days ahead. The time of day is the same on both " +
                "sides: a time namespace does not change it.",
            chapter: ["lab/time.html", "The time namespace"],
        },
    ];

    // The pieces of states.js, put together. A position of -1 stands for nothing.
    const text = (position) => (position < 0 ? null : stored.texts[position]);
    const asked = (positions) => positions.map((position) => {
        const [command, ...answer] = stored.asked[position].map(text);
        return { command, answer };
    });
    const bit = (name) => 1 << stored.names.indexOf(name);
    const rows = new Map(stored.states.map((row) => [`${row[0]} ${row[1]}`, row]));

    function find(setting) {
        const bits = [...setting.on].reduce((sum, name) => sum | bit(name), 0);
        const [root, , command, hosts, insides, refused, first, host, inside] = rows.get(`${setting.root} ${bits}`);
        const labels = stored.kinds.map((kind, n) => ({ kind, host: text(hosts[n]), inside: text(insides[n]) }));
        return {
            bits, root, labels, command: text(command), refused: text(refused),
            first: asked(first), host: asked(host), inside: asked(inside),
        };
    }

    const wanted = { on: new Set(), root: false };
    let shown = null;
    let guessing = true;

    // The state in the address: look.html#user,pid,mnt.
    function name(setting) {
        const on = SWITCHES.map((item) => item.name).filter((name) => setting.on.has(name));
        return [...(setting.root ? ["root"] : []), ...on].join(",") || "nothing";
    }

    // False if the address names something else, such as a heading of the page.
    function read(address) {
        const words = (address.replace(/^#/, "") || "nothing").split(",");
        if (!words.every((word) => word === "nothing" || word === "root" || stored.names.includes(word))) return false;
        wanted.root = words.includes("root");
        wanted.on = new Set(stored.names.filter((name) => words.includes(name)));
        return true;
    }

    // The score stays when the page is left, where the browser keeps such things for a page that is a file.
    const SCORE = "hull-look-score";
    const score = { right: 0, all: 0 };
    try {
        Object.assign(score, JSON.parse(localStorage.getItem(SCORE)));
    } catch (_) {
        // There is none yet, or nothing can be kept.
    }

    function count(isRight) {
        score.all += 1;
        if (isRight) score.right += 1;
        keep();
    }

    function keep() {
        try {
            localStorage.setItem(SCORE, JSON.stringify(score));
        } catch (_) {
            // Then it is counted for this visit only.
        }
        points.textContent = score.all ? `${score.right} of ${score.all} guesses right` : "No guess yet";
        again.hidden = score.all === 0;
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

    // Pids are other ones in each capture, so a change of them is not shown, but for 1.
    function plain(command, line) {
        const hasPids = command.includes("ps -o") || command === "echo $$";
        return hasPids ? line.replace(/\b\d+\b/g, (n) => (n === "1" ? n : "N")).replace(/\s+/g, " ") : line;
    }

    function changedLines(before, after, command) {
        const old = new Set((before || []).map((line) => plain(command, line)));
        return after.map((line) => before !== undefined && !old.has(plain(command, line)));
    }

    function isChanged(before, after) {
        const joined = (asked) => asked.answer.map((line) => plain(asked.command, line)).join("\n");
        return joined(before) !== joined(after);
    }

    // The elements of the page are made once; the rest of this file changes what is in them.
    const boxes = {};
    function checkbox(name, key, label, change) {
        const box = make("input", { type: "checkbox", id: "look-" + name });
        box.addEventListener("change", () => change(box));
        boxes[key] = box;
        return make("label", { for: "look-" + name, class: "look-switch" }, box, " " + label + " ", make("kbd", {}, key));
    }

    const namespaces = make("fieldset", {}, make("legend", {}, "Namespaces of its own"));
    const others = make("fieldset", {}, make("legend", {}, "And"));
    for (const item of SWITCHES) {
        const group = item.flag ? namespaces : others;
        group.append(checkbox(item.name, item.key, item.label, (box) => {
            if (box.checked) wanted.on.add(item.name);
            else wanted.on.delete(item.name);
            change(item.label, box);
        }));
    }
    others.append(
        checkbox("root", "r", "as root", (box) => {
            wanted.root = box.checked;
            change("root", box);
        }),
        checkbox("guess", "g", "guess first", (box) => {
            guessing = box.checked;
            if (!guessing) showAndName();
        }),
    );
    const points = make("span", { id: "look-score" });
    const again = make("button", { type: "button" }, "Start again");
    again.addEventListener("click", () => {
        score.right = score.all = 0;
        keep();
    });
    const code = make("pre", { class: "look-code" });
    const question = make("div", { class: "look-question", "aria-live": "polite" });
    const host = make("pre", { id: "look-host", tabindex: "0", "aria-label": "What the host prints" });
    const inside = make("pre", { id: "look-inside", tabindex: "0", "aria-label": "What the box prints" });
    const notes = make("ul", { class: "look-notes" });
    const labels = make("table", { class: "look-labels" });
    place.append(
        make("div", { class: "look-switches" }, namespaces, others),
        make("p", { class: "look-score", "aria-live": "polite" }, points, " ", again),
        code,
        question,
        make("div", { class: "look-terminals" },
            make("section", {}, make("h3", { id: "look-host-title" }, "host"), host),
            make("section", {}, make("h3", { id: "look-inside-title" }, "inside"), inside)),
        notes,
        labels,
    );

    function change(label, box) {
        const next = find(wanted);
        if (next.bits === shown.bits && next.root === shown.root) {
            question.replaceChildren();
            place.classList.remove("look-waits");
        } else if (guessing && !shown.refused) {
            ask(label, box, next);
        } else {
            showAndName();
        }
    }

    const NOTHING = "none of them";
    const REFUSED = "the kernel refuses";

    // Asks for one answer that will differ.
    function ask(label, box, next) {
        place.classList.add("look-waits");
        const differs = (asked, n) => isChanged(shown.inside[n], asked);
        const commands = next.refused ? [] : next.inside.filter(differs).map((asked) => asked.command);
        const right = next.refused ? [REFUSED] : commands.length ? commands : [NOTHING];
        const title = make("p", {}, `You turn ${box.checked ? "on" : "off"} `, make("strong", {}, label),
            ". Which of these will print something else inside?");
        const choices = make("div", { class: "look-choices" });
        const answer = (picked) => {
            const isRight = right.includes(picked);
            count(isRight);
            showAndName();
            const verdict = make("p", { class: isRight ? "look-right" : "look-wrong" }, isRight ? "Yes. " : "No. ");
            if (commands.length === 0) {
                verdict.append(next.refused ? "The kernel refuses." : "Nothing changes inside.");
            } else {
                verdict.append(commands.length === 1 ? "This one changes: " : "These change: ");
                commands.forEach((command, n) => verdict.append(n ? ", " : "", make("code", {}, command)));
                verdict.append(".");
            }
            question.replaceChildren(verdict);
            // The button is gone; without this the keyboard would begin at the top of the page.
            box.focus();
        };
        for (const choice of [...shown.inside.map((asked) => asked.command), NOTHING, REFUSED]) {
            const isText = choice === NOTHING || choice === REFUSED;
            const button = make("button", { type: "button" }, isText ? choice : make("code", {}, choice));
            button.addEventListener("click", () => answer(choice));
            choices.append(button);
        }
        question.replaceChildren(title, choices);
    }

    function show() {
        const before = shown;
        shown = find(wanted);
        place.classList.remove("look-waits");
        question.replaceChildren();
        const flags = SWITCHES.filter((item) => item.flag && wanted.on.has(item.name)).map((item) => item.flag);
        const calls = [
            ...(flags.length ? [`unshare(${flags.join(" | ")})`] : []),
            "fork()",
            ...(wanted.on.has("proc") && !shown.refused ? ['mount("proc", "/proc", "proc", 0, NULL)'] : []),
        ];
        code.replaceChildren(
            make("span", {}, calls.join(";\n") + ";\n"),
            make("span", { class: "look-typed" }, `${wanted.root ? "#" : "$"} ${shown.command}`),
        );
        terminal(host, shown.root, shown.host, before && before.host);
        const isRoot = shown.root || wanted.on.has("user");
        if (shown.refused) {
            inside.replaceChildren(make("span", { class: "look-changed" }, shown.refused + "\n"));
        } else {
            terminal(inside, isRoot, [...shown.first, ...shown.inside],
                before && !before.refused ? [...before.first, ...before.inside] : null);
        }
        tell();
        list(before);
    }

    // A state that was gone back to has its address already.
    function showAndName() {
        show();
        if (location.hash !== "#" + name(wanted)) location.hash = name(wanted);
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
        const runs = !shown.refused;
        const proc = shown.first.find((asked) => asked.command.startsWith("mount"));
        const state = {
            has, runs, refused: !runs, root: wanted.root, count: wanted.on.size,
            power: wanted.root && !has("user"),
            own: runs && has("user"),
            mounted: proc !== undefined && proc.answer.length === 0,
        };
        const fitting = NOTES.filter((note) => note.fits(state));
        notes.replaceChildren(...fitting.map(({ text, chapter: [page, title] }) => {
            const item = make("li", { html: text + " " });
            item.append(make("a", { href: page }, title));
            return item;
        }));
    }

    function list(before) {
        const number = (label) => (label === null ? "" : label.replace(/.*\[|\]/g, ""));
        const rows = shown.labels.map(({ kind, host: ours, inside: theirs }, n) => {
            const says = (label) => (label.inside === null ? "" : label.inside === label.host ? "shared" : "new");
            const flashes = before && says(before.labels[n]) !== says(shown.labels[n]);
            return make("tr", flashes ? { class: "look-changed" } : {},
                make("th", { scope: "row" }, kind),
                make("td", {}, number(ours)),
                make("td", {}, number(theirs)),
                make("td", {}, says(shown.labels[n])));
        });
        const head = make("tr", {}, ...["/proc/self/ns/", "host", "inside", ""].map((text) => make("th", { scope: "col" }, text)));
        labels.replaceChildren(make("caption", {}, "The namespaces of both"), make("thead", {}, head), make("tbody", {}, ...rows));
    }

    // A link, the back button or a typed address: there is nothing to guess.
    function go() {
        for (const item of SWITCHES) boxes[item.key].checked = wanted.on.has(item.name);
        boxes.r.checked = wanted.root;
        boxes.g.checked = guessing;
        show();
    }

    window.addEventListener("hashchange", () => {
        const before = name(wanted);
        if (read(location.hash) && (name(wanted) !== before || place.classList.contains("look-waits"))) go();
    });

    // 1 to 8, p, r and g, wherever no text is being typed.
    document.addEventListener("keydown", (event) => {
        const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
        if (isTyping || event.ctrlKey || event.altKey || event.metaKey || !boxes[event.key]) return;
        event.preventDefault();
        boxes[event.key].click();
    });

    read(location.hash);
    go();
    keep();
})();
