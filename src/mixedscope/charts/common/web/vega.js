  // -- Vega --------------------------------------------------------------------------------------

  const escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};
  const sanitize = (value) => String(value).replace(/[&<>"']/g, (c) => escapes[c]);
  // The script of the page itself, or of the style sheet that pages share.
  const packed = () => held("vega") ??
    getComputedStyle(document.documentElement).getPropertyValue("PROPERTY").trim().slice(1, -1);
  const shared = document.querySelector("link[rel=stylesheet]")?.getAttribute("href");
  const loadVega = async () => {
    const text = packed();
    if (!text) {
      throw `${decodeURI(shared)} is missing. Keep this page in its folder of results, and move ` +
        "or copy that as a whole; the chart itself is also in the pictures beside this page.";
    }
    const script = document.createElement("script");
    script.textContent = await unpacked(text);
    // It runs if the policy of the page knows it.
    document.head.append(script);
    script.remove();
    if (!window.vegaEmbed) {
      throw `${decodeURI(shared)} is not the file that this page was made with. Run the workflow ` +
        "again; the chart itself is also in the pictures beside this page.";
    }
    // Text is measured as soon as the chart is drawn: the fonts have to be there.
    await Promise.all([...document.fonts].map((font) => font.load()));
  };
