function search(input) {
  const words = input.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const row of document.querySelectorAll("#" + input.dataset.table + " tbody tr")) {
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    shown += !row.hidden;
  }
  document.getElementById(input.id + "-shown").textContent = shown + " rows";
}
function show(row) {
  const table = row && row.hidden && row.closest("table");
  if (!table) return;
  const input = document.getElementById("find-" + table.id);
  input.value = "";
  search(input);
  row.scrollIntoView();
}
for (const field of document.querySelectorAll(".search")) field.hidden = false;
for (const input of document.querySelectorAll("input[type=search]"))
  input.addEventListener("input", () => search(input));
for (const link of document.querySelectorAll("a[data-search]"))
  link.addEventListener("click", () => {
    const input = document.getElementById("find-cells");
    input.value = link.dataset.search;
    search(input);
  });
// A link may lead to a row that a search has hidden.
for (const link of document.querySelectorAll("a[href^='#claim-']"))
  link.addEventListener("click", () => show(document.getElementById(link.hash.slice(1))));
