// The theme's buttons that open a part of the navigation have no text: screen readers need one.
document.addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll("summary")) {
    if (summary.querySelector(".toctree-toggle")) {
      const link = summary.closest("li")?.querySelector("a");
      summary.setAttribute("aria-label", `Pages of ${link?.textContent.trim() ?? "this part"}`);
    }
  }
});
