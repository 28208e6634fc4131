/// The live page: one file, nothing loaded from elsewhere.
enum LivePage {
    static let html = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>hcqd</title>
        <link rel="icon" href="data:,">
        <style>\(style)</style>
        </head>
        <body>
        <header><h1>hcqd</h1><span id="summary" role="status">connecting</span></header>
        <main>
        <section id="cameras" aria-label="Cameras"></section>
        <section id="log" aria-label="Events"><h2>Events</h2><ol id="events"></ol></section>
        </main>
        <script>\(script)</script>
        </body>
        </html>
        """

    private static let style = """
        :root { color-scheme: dark; --ground: #14171a; --card: #1e2327; --text: #e8ecef; --quiet: #9aa5ad; --good: #5fd38d;
          --bad: #ff8f70; --accent: #7cc4ff; }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
        header { display: flex; align-items: baseline; gap: 1rem; padding: .8rem 1.2rem; }
        h1 { font-size: 1.2rem; margin: 0; letter-spacing: .04em; }
        h2 { font-size: 1rem; margin: 0 0 .5rem; }
        #summary { color: var(--quiet); }
        main { display: grid; grid-template-columns: minmax(0, 1fr) 24rem; gap: 1rem; padding: 0 1.2rem 1.2rem; }
        @media (max-width: 60rem) { main { grid-template-columns: minmax(0, 1fr); } }
        #cameras { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem;
          align-content: start; }
        article, #log { background: var(--card); border-radius: .6rem; overflow: hidden; }
        article img { display: block; width: 100%; aspect-ratio: 16 / 9; object-fit: contain; background: #000;
          visibility: hidden; }
        article div { display: flex; gap: .8rem; padding: .6rem .8rem; align-items: baseline; }
        article strong { flex: 1; overflow-wrap: anywhere; }
        .online { color: var(--good); } .offline, .connecting { color: var(--bad); } .stopped { color: var(--quiet); }
        article p { margin: 0; padding: 0 .8rem .6rem; color: var(--quiet); overflow-wrap: anywhere; }
        #log { padding: .8rem; max-height: 85vh; overflow-y: auto; }
        ol { list-style: none; margin: 0; padding: 0; }
        li { display: grid; grid-template-columns: 5.2rem 1fr; gap: .6rem; padding: .25rem 0; border-top: 1px solid #2b3238; }
        li time { color: var(--quiet); font-variant-numeric: tabular-nums; }
        li b { color: var(--accent); font-weight: 600; }
        """

    private static let script = #"""
        const cameras = document.getElementById('cameras'), events = document.getElementById('events');
        const summary = document.getElementById('summary'), cards = new Map();
        function card(name) {
          const article = document.createElement('article'), image = document.createElement('img');
          image.alt = 'Live picture of ' + name;
          const row = document.createElement('div'), title = document.createElement('strong');
          const people = document.createElement('span'), state = document.createElement('span');
          const reason = document.createElement('p');
          title.textContent = name;
          row.append(title, people, state);
          article.append(image, row, reason);
          cameras.append(article);
          const c = { article, image, people, state, reason, online: false, waits: false };
          const next = () => { c.waits = false; if (c.online) setTimeout(() => show(name, c), 200); };
          image.addEventListener('load', () => { image.style.visibility = 'visible'; next(); });
          image.addEventListener('error', next);
          return c;
        }
        function show(name, c) {
          if (!c.online || c.waits) return;
          c.waits = true;
          c.image.src = 'cameras/' + encodeURIComponent(name) + '/picture.jpg?' + Date.now();
        }
        async function refresh() {
          try {
            const answer = await fetch('cameras', { cache: 'no-store' });
            if (!answer.ok) throw new Error(answer.status);
            const list = await answer.json(), names = new Set(list.map(c => c.name));
            for (const [name, c] of cards) if (!names.has(name)) { c.article.remove(); cards.delete(name); }
            for (const camera of list) {
              if (!cards.has(camera.name)) cards.set(camera.name, card(camera.name));
              const c = cards.get(camera.name);
              c.people.textContent = camera.people === 1 ? '1 person' : camera.people + ' people';
              c.state.textContent = camera.state;
              c.state.className = camera.state;
              c.reason.textContent = camera.reason || '';
              if (camera.width) c.image.style.aspectRatio = camera.width + ' / ' + camera.height;
              c.online = camera.state === 'online';
              c.image.style.opacity = c.online ? 1 : 0.3;
              show(camera.name, c);
            }
            const online = list.filter(c => c.state === 'online').length;
            summary.textContent = online + ' of ' + list.length + (list.length === 1 ? ' camera' : ' cameras') + ' online';
          } catch (error) { summary.textContent = 'no connection to hcqd'; }
        }
        function words(e) {
          const parts = [];
          if (e.zone) parts.push(e.zone);
          if (e.line) parts.push(e.line + ' ' + e.direction);
          if (e.posture) parts.push(e.posture);
          if (typeof e.count === 'number') parts.push(e.count + ' inside');
          if (e.reason) parts.push(e.reason);
          return parts.join(', ');
        }
        function tell(message) {
          const e = JSON.parse(message.data), item = document.createElement('li');
          const time = document.createElement('time'), text = document.createElement('span');
          const type = document.createElement('b');
          time.dateTime = e.t;
          time.textContent = new Date(e.t).toLocaleTimeString();
          type.textContent = e.type.replaceAll('_', ' ');
          text.append(type, ' ' + (e.id || e.camera) + (words(e) ? ': ' + words(e) : ''));
          item.append(time, text);
          events.prepend(item);
          while (events.children.length > 200) events.lastChild.remove();
        }
        const feed = new EventSource('events?last=100&types=\#(types.joined(separator: ","))');
        for (const type of \#(jsonTypes)) feed.addEventListener(type, tell);
        refresh();
        setInterval(refresh, 2000);
        """#

    private static let types = [
        "start", "end", "zone_entered", "zone_left", "loitering", "line_crossed", "occupancy", "posture", "camera_online",
        "camera_offline", "camera_stalled", "discontinuity", "camera_covered", "camera_moved", "camera_clear",
        "events_dropped",
    ]

    private static var jsonTypes: String { "[" + types.map { "'\($0)'" }.joined(separator: ",") + "]" }
}
