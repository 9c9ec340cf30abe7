// Seek: a job that is paused goes on elsewhere.

import { Problem } from "./api.js";
import { open, problemBox } from "./dialogs.js";
import { button, h, table } from "./dom.js";
import { count, plural } from "./format.js";
import { act, placeField } from "./submit.js";

/** Asks where to, moves the committed offsets, and shows from where to where. */
export async function seekDialog(job) {
  const from = placeField("Go on from", "earliest");
  const trouble = h("div");
  const go = button(
    "Seek",
    async () => {
      trouble.replaceChildren();
      try {
        const wanted = from.value();
        if (!wanted) throw new Problem({ title: "no place is given", detail: "say where the job is to go on" });
        dialog.close(await act(job, "seek", { from: wanted }));
      } catch (error) {
        trouble.replaceChildren(problemBox(error));
      }
    },
    { class: "primary" },
  );
  const dialog = open(
    `Seek ${job}`,
    [
      h(
        "p",
        null,
        "The offsets that its group has committed are moved; it goes on there when it is resumed. Of offsets, partitions that are not named stay where they are.",
      ),
      from.node,
      h("p", { class: "hint" }, "Going back makes outputs once more: a table with a key holds each row once all the same."),
      trouble,
    ],
    { buttons: [go], submit: () => go.click() },
  );
  const sought = await dialog.closed;
  if (sought) await told(job, sought.partitions);
}

/** Where each partition was, and is. */
function told(job, partitions) {
  const moved = partitions.filter((one) => one.before !== one.after).length;
  const rows = partitions.map((one) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, one.topic),
      h("td", { class: "number" }, one.partition),
      h("td", { class: "number" }, count(one.before)),
      h("td", { class: "number" }, count(one.after)),
    ),
  );
  const body = [
    h("p", null, moved === 0 ? "It is there already." : `${plural(moved, "partition")} moved.`),
    table("Offsets moved", ["Topic", "#Partition", "#Before", "#After"], h("tbody", null, rows)),
  ];
  return open(`${job} goes on elsewhere`, body).closed;
}
