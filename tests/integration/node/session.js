// What node-postgres does in one session; prints one JSON object for node_test.py.
const { Client, Pool } = require('pg');

async function main() {
  const seen = {};
  const client = new Client();
  const notified = new Promise((resolve) => client.on('notification', (message) => resolve(message.payload)));
  client.on('notice', (notice) => { seen.notice = notice.message; });
  await client.connect();
  seen.text = (await client.query("SELECT 1 AS one, 'ä' AS two, NULL AS three")).rows;
  seen.parameters = (await client.query('SELECT $1::int + 1 AS sum, $2::text AS words', [41, 'ä'])).rows;
  seen.named = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const result = await client.query({ name: 'pick', text: 'SELECT name FROM items WHERE id = $1', values: [turn + 1] });
    seen.named.push(result.rows[0].name);
  }
  seen.several = (await client.query('SELECT 1 AS a; SELECT 2 AS b')).map((result) => result.rows[0]);
  try {
    await client.query('SELECT * FROM missing');
  } catch (error) {
    seen.error = { code: error.code, message: error.message, position: error.position };
  }
  await client.query('BEGIN');
  await client.query("INSERT INTO log VALUES ('node')");
  await client.query('ROLLBACK');
  seen.rows = (await client.query("SELECT count(*)::int AS n FROM log WHERE line = 'node'")).rows[0].n;
  await client.query("DO $$ BEGIN RAISE NOTICE 'from node'; END $$");
  await client.query('LISTEN node_bell');
  await client.query("NOTIFY node_bell, 'ding'");
  seen.notification = await notified;
  await client.end();

  const pool = new Pool({ max: 5 });
  const sums = await Promise.all([...Array(50).keys()].map((n) => pool.query('SELECT $1::int * 2 AS d', [n])));
  seen.pool = sums.map((result) => result.rows[0].d);
  await pool.end();
  console.log(JSON.stringify(seen));
}

main().catch((error) => { console.error(error); process.exit(1); });
