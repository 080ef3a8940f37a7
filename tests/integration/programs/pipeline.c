/* libpq's pipeline mode; prints every result in order. The environment says where to connect. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(PGconn *conn, const char *what) {
  fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
  exit(1);
}

/* Prints results up to the given count of syncs. */
static void drain(PGconn *conn, int syncs) {
  int silences = 0;
  while (syncs > 0) {
    PGresult *result = PQgetResult(conn);
    if (result == NULL) {
      if (++silences > 1000) fail(conn, "no result any more");
      continue;
    }
    silences = 0;
    ExecStatusType status = PQresultStatus(result);
    printf("%s", PQresStatus(status));
    if (status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE) {
      printf(" %d rows", PQntuples(result));
      if (PQntuples(result) > 0) printf(", first %s", PQgetisnull(result, 0, 0) ? "NULL" : PQgetvalue(result, 0, 0));
    }
    if (status == PGRES_COMMAND_OK) printf(" %s", PQcmdStatus(result));
    if (status == PGRES_FATAL_ERROR) printf(" %s", PQresultErrorField(result, PG_DIAG_SQLSTATE));
    printf("\n");
    if (status == PGRES_PIPELINE_SYNC) syncs--;
    PQclear(result);
  }
}

static void ask(PGconn *conn, const char *text, const char *value) {
  const char *values[] = {value};
  if (!PQsendQueryParams(conn, text, value != NULL, NULL, values, NULL, NULL, 0)) fail(conn, text);
}

static void sync_now(PGconn *conn) {
  if (!PQpipelineSync(conn)) fail(conn, "sync");
}

static void many(PGconn *conn) {
  char number[16];
  for (int i = 0; i < 300; i++) {
    snprintf(number, sizeof number, "%d", i);
    ask(conn, "SELECT $1::int * 2", number);
    if (i % 50 == 49) sync_now(conn);
  }
  drain(conn, 6);
}

static void errors(PGconn *conn) {
  ask(conn, "SELECT 'before'", NULL);
  ask(conn, "SELECT 1/0", NULL);
  ask(conn, "SELECT 'skipped'", NULL);
  ask(conn, "INSERT INTO pipelined VALUES (99)", NULL);
  sync_now(conn);
  ask(conn, "SELECT 'after'", NULL);
  ask(conn, "SELEC", NULL);
  sync_now(conn);
  sync_now(conn);
  ask(conn, "SELECT count(*) FROM pipelined WHERE a = 99", NULL);
  sync_now(conn);
  drain(conn, 4);
}

static void prepared(PGconn *conn) {
  const char *values[] = {"5"};
  if (!PQsendPrepare(conn, "pick", "SELECT name FROM items WHERE id = $1", 0, NULL)) fail(conn, "prepare");
  if (!PQsendDescribePrepared(conn, "pick")) fail(conn, "describe");
  for (int i = 0; i < 5; i++) {
    if (!PQsendQueryPrepared(conn, "pick", 1, values, NULL, NULL, i % 2)) fail(conn, "execute");
  }
  if (!PQsendQueryPrepared(conn, "missing", 0, NULL, NULL, NULL, 0)) fail(conn, "execute");
  if (!PQsendQueryPrepared(conn, "pick", 1, values, NULL, NULL, 0)) fail(conn, "execute");
  sync_now(conn);
  if (!PQsendQueryPrepared(conn, "pick", 1, values, NULL, NULL, 0)) fail(conn, "execute");
  ask(conn, "DEALLOCATE pick", NULL);
  if (!PQsendQueryPrepared(conn, "pick", 1, values, NULL, NULL, 0)) fail(conn, "execute");
  sync_now(conn);
  if (!PQsendQueryPrepared(conn, "pick", 1, values, NULL, NULL, 0)) fail(conn, "execute");
  sync_now(conn);
  drain(conn, 3);
}

static void transactions(PGconn *conn) {
  ask(conn, "BEGIN", NULL);
  ask(conn, "INSERT INTO pipelined SELECT generate_series(1, 10)", NULL);
  sync_now(conn);
  ask(conn, "SET LOCAL work_mem TO '7MB'", NULL);
  ask(conn, "SHOW work_mem", NULL);
  sync_now(conn);
  ask(conn, "SAVEPOINT a", NULL);
  ask(conn, "INSERT INTO pipelined VALUES (1)", NULL);
  sync_now(conn);
  ask(conn, "ROLLBACK TO a", NULL);
  ask(conn, "SELECT count(*) FROM pipelined", NULL);
  ask(conn, "COMMIT", NULL);
  ask(conn, "SHOW work_mem", NULL);
  sync_now(conn);
  ask(conn, "INSERT INTO pipelined VALUES (50)", NULL);
  ask(conn, "INSERT INTO pipelined VALUES (1)", NULL);
  sync_now(conn);
  ask(conn, "SELECT count(*) FROM pipelined", NULL);
  sync_now(conn);
  drain(conn, 6);
}

/* Flush without Sync: replies come all the same. */
static void flushed(PGconn *conn) {
  ask(conn, "SELECT 'flushed'", NULL);
  if (!PQsendFlushRequest(conn)) fail(conn, "flush request");
  PQflush(conn);
  PGresult *result = PQgetResult(conn);
  printf("%s before any sync\n", PQgetvalue(result, 0, 0));
  PQclear(result);
  result = PQgetResult(conn);
  ask(conn, "SELECT i FROM generate_series(1, 5) i", NULL);
  sync_now(conn);
  PQsetSingleRowMode(conn);
  drain(conn, 1);
}

int main(void) {
  PGconn *conn = PQconnectdb("");
  if (PQstatus(conn) != CONNECTION_OK) fail(conn, "connect");
  PQclear(PQexec(conn, "CREATE TABLE pipelined (a int PRIMARY KEY)"));
  for (int turn = 0; turn < 3; turn++) {
    if (!PQenterPipelineMode(conn)) fail(conn, "enter");
    many(conn);
    errors(conn);
    prepared(conn);
    transactions(conn);
    flushed(conn);
    if (!PQexitPipelineMode(conn)) fail(conn, "exit");
    PGresult *result = PQexec(conn, "DELETE FROM pipelined");
    printf("%s\n", PQcmdStatus(result));
    PQclear(result);
  }
  PQclear(PQexec(conn, "DROP TABLE pipelined"));
  PQfinish(conn);
  return 0;
}
