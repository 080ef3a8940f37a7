// What Go programs do, with pgx (its statement cache, its other modes, batches, COPY, LISTEN) and with lib/pq.
// session.go PGX_URL; prints what it sees.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	"github.com/lib/pq"
)

var ctx = context.Background()

func say(values ...interface{}) { fmt.Println(values...) }

func code(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code + " " + failed.Message
	}
	if err == nil {
		return "no error"
	}
	return "other error"
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func one(c *pgx.Conn, text string, values ...interface{}) string {
	var seen string
	if err := c.QueryRow(ctx, text, values...).Scan(&seen); err != nil {
		return code(err)
	}
	return seen
}

func session(url string) {
	config, err := pgx.ParseConfig(url)
	must(err)
	c, err := pgx.ConnectConfig(ctx, config)
	must(err)
	defer c.Close(ctx)
	for i := 1; i <= 5; i++ { // prepared once, by the driver's cache
		say("cached", one(c, "SELECT name || $2::text FROM items WHERE id = $1", i, " turn"))
	}
	_, err = c.Exec(ctx, "CREATE TABLE gone_go (id int PRIMARY KEY, body text)")
	say("create", code(err))
	say("division", one(c, "SELECT (1 / $1::int)::text", 0))
	say("missing", one(c, "SELECT x FROM missing"))

	batch := &pgx.Batch{}
	for i := 0; i < 50; i++ {
		batch.Queue("INSERT INTO gone_go VALUES ($1, $2)", i, fmt.Sprint("row ", i))
		batch.Queue("SELECT count(*)::text FROM gone_go")
	}
	results := c.SendBatch(ctx, batch)
	for i := 0; i < 50; i++ {
		_, err := results.Exec()
		must(err)
		var count string
		must(results.QueryRow().Scan(&count))
		if i%10 == 0 {
			say("batch", count)
		}
	}
	say("batch ends", code(results.Close()))

	failing := &pgx.Batch{}
	failing.Queue("INSERT INTO gone_go VALUES (100, 'never')")
	failing.Queue("INSERT INTO gone_go VALUES (1, 'again')")
	failing.Queue("SELECT 1")
	say("batch fails", code(c.SendBatch(ctx, failing).Close()))
	say("nothing of it", one(c, "SELECT count(*)::text FROM gone_go WHERE id = 100"))

	copied, err := c.CopyFrom(ctx, pgx.Identifier{"gone_go"}, []string{"id", "body"}, pgx.CopyFromSlice(1000, func(i int) ([]interface{}, error) {
		return []interface{}{1000 + i, "copied"}, nil
	}))
	say("copied", copied, code(err))
	copied, err = c.CopyFrom(ctx, pgx.Identifier{"gone_go"}, []string{"id", "body"}, pgx.CopyFromRows([][]interface{}{{1, "again"}}))
	say("copied", copied, code(err))

	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	must(err)
	_, err = tx.Exec(ctx, "DELETE FROM gone_go")
	must(err)
	inner, err := tx.Begin(ctx)
	must(err)
	_, err = inner.Exec(ctx, "SELECT 1/0")
	say("inner", code(err))
	must(inner.Rollback(ctx))
	must(tx.Rollback(ctx))
	say("left", one(c, "SELECT count(*)::text FROM gone_go"))

	_, err = c.Prepare(ctx, "pick", "SELECT body FROM gone_go WHERE id = $1")
	must(err)
	say("prepared", one(c, "pick", 7))
	_, err = c.Exec(ctx, "ALTER TABLE gone_go ALTER body TYPE varchar(40)")
	must(err)
	say("after DDL", one(c, "SELECT count(*)::text FROM gone_go"))
	must(c.Deallocate(ctx, "pick"))

	short, end := context.WithTimeout(ctx, 300*time.Millisecond)
	_, err = c.Exec(short, "SELECT pg_sleep(60)")
	end()
	say("deadline", err != nil, c.IsClosed()) // the driver closes the connection
	again, err := pgx.ConnectConfig(ctx, config)
	must(err)
	defer again.Close(ctx)
	_, err = again.Exec(ctx, "LISTEN go_bell")
	must(err)
	_, err = again.Exec(ctx, "SELECT pg_notify('go_bell', 'ding')")
	must(err)
	heard, err := again.WaitForNotification(ctx)
	must(err)
	say("notified", heard.Channel, heard.Payload)
	pipelined(again.PgConn())
	_, err = again.Exec(ctx, "DROP TABLE gone_go")
	say("drop", code(err))
}

// Several statements in one text, as the simple protocol has them.
func pipelined(c *pgconn.PgConn) {
	results, err := c.Exec(ctx, "SELECT 1; SELECT 'two', 3; UPDATE gone_go SET body = 'x' WHERE id < 3; SELECT 1/0; SELECT 4").ReadAll()
	for _, each := range results {
		say("several", each.CommandTag, len(each.Rows))
	}
	say("several", code(err))
}

func pooled(url string) {
	pool, err := pgxpool.Connect(ctx, url+"&pool_max_conns=5")
	must(err)
	defer pool.Close()
	sums := make([]int, 200)
	var all sync.WaitGroup
	for i := range sums {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			must(pool.QueryRow(ctx, "SELECT $1::int * 2", i).Scan(&sums[i]))
		}(i)
	}
	all.Wait()
	say("pool", sums)
}

func libPq(url string) {
	db, err := sql.Open("postgres", strings.Split(url, "&")[0])
	must(err)
	defer db.Close()
	db.SetMaxOpenConns(3)
	for i := 1; i <= 3; i++ {
		var name string
		must(db.QueryRow("SELECT name FROM items WHERE id = $1", i).Scan(&name))
		say("pq", name)
	}
	statement, err := db.Prepare("SELECT $1::int + 1")
	must(err)
	for i := 0; i < 10; i++ {
		var sum int
		must(statement.QueryRow(i).Scan(&sum))
		say("pq", sum)
	}
	must(statement.Close())
	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec("CREATE TEMP TABLE pq_copy (a int) ON COMMIT DROP")
	must(err)
	copying, err := tx.Prepare(pq.CopyIn("pq_copy", "a"))
	must(err)
	for i := 0; i < 100; i++ {
		_, err = copying.Exec(i)
		must(err)
	}
	_, err = copying.Exec()
	must(err)
	must(copying.Close())
	var sum int
	must(tx.QueryRow("SELECT sum(a) FROM pq_copy").Scan(&sum))
	must(tx.Commit())
	say("pq copied", sum)
	_, err = db.Exec("SELECT 1/0")
	say("pq", err.(*pq.Error).Code, err)
}

func main() {
	url := os.Args[1]
	for _, mode := range []string{"&statement_cache_mode=prepare", "&statement_cache_mode=describe", "&statement_cache_capacity=0", "&statement_cache_capacity=2"} {
		say(mode)
		session(url + mode)
	}
	pooled(url)
	libPq(url)
}
