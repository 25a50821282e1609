  // -- what the page holds, packed ---------------------------------------------------------------

  const held = (id) => document.getElementById(id)?.textContent;
  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  };
