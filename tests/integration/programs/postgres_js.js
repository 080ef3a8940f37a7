// What a program with postgres.js does: its pool, prepared statements, pipelining, transactions, cursors, COPY, LISTEN.
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const postgres = require('postgres');

const say = (...words) => console.log(JSON.stringify(words));
const fails = (what, promise) => promise.then(() => say(what, 'no error'), (error) => say(what, error.code, error.message));

async function main() {
  const notices = [];
  const sql = postgres({ max: 4, ssl: false, onnotice: (notice) => notices.push(notice.message) });
  for (let id = 1; id <= 5; id += 1) say(await sql`SELECT name, price, ${'x' + id}::text AS t FROM items WHERE id = ${id}`);
  const all = await Promise.all([...Array(100).keys()].map((n) => sql`SELECT ${n}::int * 2 AS d`));
  say(all.map((rows) => rows[0].d));
  say(await sql`SELECT ${sql.array([1, 2, 3])}::int[] AS a, ${sql.json({ k: 1 })}::jsonb AS j, ${null}::int AS n, ${true}::bool AS b`);
  await fails('division', sql`SELECT 1 / ${0}::int`);
  await fails('missing', sql`SELECT * FROM missing`);
  say((await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b')).map((rows) => rows[0]));
  await sql`CREATE TABLE js (id int PRIMARY KEY, body text)`;
  await sql`INSERT INTO js ${sql([...Array(50).keys()].map((id) => ({ id, body: `row ${id}` })))}`;
  await fails('rolled back', sql.begin(async (t) => { await t`DELETE FROM js`; await t`SELECT 1/0`; }));
  await sql.begin('isolation level repeatable read', async (t) => {
    await t`DELETE FROM js WHERE id < 10`;
    await t.savepoint(async (s) => { await s`DELETE FROM js`; throw new Error('back'); }).catch((error) => say(error.message));
    const [one, two] = await Promise.all([t`SELECT count(*)::int AS n FROM js`, t`SHOW transaction_isolation`]);
    say(one, two);
  });
  let seen = 0;
  await sql`SELECT id FROM items ORDER BY id`.cursor(64, (rows) => { seen += rows.length; return seen > 300 ? sql.CLOSE : undefined; });
  say(seen > 300);
  await pipeline(Readable.from([...Array(100).keys()].map((n) => `${1000 + n}\tcopied\n`)), await sql`COPY js FROM STDIN`.writable());
  let text = '';
  for await (const piece of await sql`COPY (SELECT id FROM js WHERE id >= 1000 ORDER BY id) TO STDOUT`.readable()) text += piece;
  say(text.length);
  await sql`DO $$ BEGIN RAISE NOTICE 'from postgres.js'; END $$`;
  say(notices);
  const sleeping = sql`SELECT pg_sleep(60)`;
  setTimeout(() => sleeping.cancel(), 300);
  await fails('cancelled', sleeping);
  await new Promise((resolve) => {
    sql.listen('js_bell', (payload) => { say('notified', payload); resolve(); }).then(() => sql.notify('js_bell', 'ding'));
  });
  say(await sql`SELECT name FROM items WHERE id = 3`.describe().then((about) => about.columns.map((column) => column.name)));
  await sql`DROP TABLE js`;
  await sql.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
