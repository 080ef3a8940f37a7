// What a JDBC program does; prints what it sees, one line each. Session URL
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.*;
import java.util.Arrays;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public class Session {
  interface Work { void run() throws Exception; }

  static void say(String what, Object... values) { System.out.println(what + " " + Arrays.toString(values)); }

  static void fails(String what, Work work) throws Exception {
    try {
      work.run();
      say(what, "no error");
    } catch (SQLException error) {
      say(what, error.getSQLState(), error.getMessage().split("\n")[0]);
    }
  }

  // The driver sends the text five times and then prepares it at the server, under a name of its own.
  static void prepared(Connection c) throws Exception {
    try (PreparedStatement pick = c.prepareStatement("SELECT name, price, ?::text FROM items WHERE id = ?")) {
      for (int i = 1; i <= 12; i++) {
        pick.setString(1, "turn " + i);
        pick.setInt(2, i);
        try (ResultSet rows = pick.executeQuery()) {
          rows.next();
          say("prepared", rows.getString(1), rows.getBigDecimal(2), rows.getString(3));
        }
      }
      pick.setInt(2, 0);
      say("none", pick.executeQuery().next());
    }
    try (PreparedStatement bad = c.prepareStatement("SELECT 10 / ?::int")) {
      for (int i = 7; i >= 0; i--) {
        bad.setInt(1, i);
        fails("division by " + i, () -> { try (ResultSet rows = bad.executeQuery()) { rows.next(); say("is", rows.getInt(1)); } });
      }
    }
  }

  static void types(Connection c) throws Exception {
    String sql = "SELECT ?::int8, ?::float8, ?::numeric, ?::bool, ?::text, ?::bytea, ?::date, ?::timestamp, ?::uuid, ?::int[], NULL::int";
    try (PreparedStatement all = c.prepareStatement(sql)) {
      for (int i = 0; i < 8; i++) {  // in text first, then in binary
        all.setLong(1, Long.MIN_VALUE + i);
        all.setDouble(2, 1.5e300 / (i + 1));
        all.setBigDecimal(3, new BigDecimal("12345678901234567890.123" + i));
        all.setBoolean(4, i % 2 == 0);
        all.setString(5, "ä ☃ " + i);
        all.setBytes(6, new byte[] {0, 1, (byte) 255, (byte) i});
        all.setDate(7, Date.valueOf("2024-02-2" + i));
        all.setTimestamp(8, Timestamp.valueOf("2024-02-29 12:34:56.00000" + i));
        all.setObject(9, java.util.UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1" + i));
        all.setArray(10, c.createArrayOf("int4", new Object[] {i, null, -i}));
        try (ResultSet r = all.executeQuery()) {
          r.next();
          say("types", r.getLong(1), r.getDouble(2), r.getBigDecimal(3), r.getBoolean(4), r.getString(5), Arrays.toString(r.getBytes(6)),
              r.getDate(7), r.getTimestamp(8), r.getObject(9), r.getArray(10), r.getObject(11));
        }
      }
      ResultSetMetaData about = all.getMetaData();
      for (int i = 1; i <= about.getColumnCount(); i++) say("column", about.getColumnName(i), about.getColumnTypeName(i));
    }
  }

  static void batches(Connection c) throws Exception {
    try (Statement s = c.createStatement()) {
      s.execute("CREATE TABLE jdbc (id int PRIMARY KEY, body text, made serial)");
    }
    for (int turn = 0; turn < 3; turn++) {
      try (PreparedStatement put = c.prepareStatement("INSERT INTO jdbc (id, body) VALUES (?, ?)")) {
        for (int i = 0; i < 300; i++) {
          put.setInt(1, turn * 1000 + i);
          put.setString(2, "row " + i);
          put.addBatch();
        }
        say("batch", Arrays.stream(put.executeBatch()).sum());
      }
    }
    try (PreparedStatement put = c.prepareStatement("INSERT INTO jdbc (id) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
      for (int id : new int[] {5000, 5001, 1, 5002}) { put.setInt(1, id); put.addBatch(); }
      try {
        put.executeBatch();
      } catch (BatchUpdateException error) {
        say("batch fails", error.getSQLState(), Arrays.toString(error.getUpdateCounts()));
      }
    }
    try (Statement s = c.createStatement()) {
      s.addBatch("UPDATE jdbc SET body = 'x' WHERE id < 10");
      s.addBatch("DELETE FROM jdbc WHERE id BETWEEN 10 AND 19");
      say("mixed batch", Arrays.toString(s.executeBatch()));
      say("several", s.execute("SELECT 1; UPDATE jdbc SET body = 'y' WHERE id = 1; SELECT 2"), s.getMoreResults(), s.getUpdateCount());
    }
    try (PreparedStatement put = c.prepareStatement("INSERT INTO jdbc (id) VALUES (9000) RETURNING made > 0")) {
      ResultSet keys = put.executeQuery();
      say("returning", keys.next(), keys.getBoolean(1));
    }
  }

  static void transactions(Connection c) throws Exception {
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      s.setFetchSize(7);
      ResultSet rows = s.executeQuery("SELECT id FROM items ORDER BY id");  // a portal, seven rows at a time
      int sum = 0, count = 0;
      while (rows.next() && count < 100) { sum += rows.getInt(1); count++; }
      say("fetched", count, sum);
      rows.close();
      Savepoint point = c.setSavepoint("a point");
      fails("in a transaction", () -> s.execute("SELECT 1/0"));
      fails("after it", () -> s.execute("SELECT 1"));
      c.rollback(point);
      say("after the savepoint", s.execute("SELECT 1"));
      s.executeUpdate("DELETE FROM jdbc");
      c.rollback();
      ResultSet left = s.executeQuery("SELECT count(*) FROM jdbc");
      left.next();
      say("left", left.getInt(1));
      c.commit();
      c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      ResultSet level = s.executeQuery("SHOW transaction_isolation");
      level.next();
      say("isolation", level.getString(1), c.getTransactionIsolation());
      c.commit();
      c.setReadOnly(true);
      fails("read only", () -> s.executeUpdate("DELETE FROM jdbc"));
      c.rollback();
      c.setReadOnly(false);
      c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    }
    c.setAutoCommit(true);
  }

  // The driver sets a savepoint before each statement and goes back to it after an error; after DDL it prepares anew.
  static void autosave(String url) throws Exception {
    try (Connection c = DriverManager.getConnection(url + "&autosave=always&prepareThreshold=1")) {
      c.setAutoCommit(false);
      try (Statement s = c.createStatement(); PreparedStatement all = c.prepareStatement("SELECT * FROM jdbc WHERE id = 1")) {
        for (int i = 0; i < 4; i++) {
          fails("autosave", () -> s.execute("SELECT 1/0"));
          ResultSet rows = all.executeQuery();
          say("autosave", rows.next(), rows.getMetaData().getColumnCount());
          s.execute("ALTER TABLE jdbc ADD COLUMN extra" + i + " int");
        }
      }
      c.rollback();
    }
  }

  static void copies(Connection c) throws Exception {
    CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
    StringBuilder lines = new StringBuilder();
    for (int i = 10000; i < 12000; i++) lines.append(i).append("\tcopied\n");
    say("copied in", copy.copyIn("COPY jdbc (id, body) FROM STDIN", new StringReader(lines.toString())));
    fails("copied twice", () -> copy.copyIn("COPY jdbc (id, body) FROM STDIN", new StringReader(lines.toString())));
    StringWriter out = new StringWriter();
    say("copied out", copy.copyOut("COPY (SELECT id FROM jdbc WHERE id >= 10000 ORDER BY id) TO STDOUT", out), out.toString().length());
    fails("copied nowhere", () -> copy.copyOut("COPY missing TO STDOUT", new StringWriter()));
  }

  static void cancels(Connection c) throws Exception {
    try (Statement s = c.createStatement()) {
      s.setQueryTimeout(1);
      fails("timeout", () -> s.execute("SELECT pg_sleep(60)"));
      s.setQueryTimeout(0);
      say("after it", s.execute("SELECT 1"));
    }
  }

  static void notifies(Connection c) throws Exception {
    try (Statement s = c.createStatement()) {
      s.execute("LISTEN jdbc_bell");
      s.execute("NOTIFY jdbc_bell, 'ding'");
      PGNotification[] heard = c.unwrap(PGConnection.class).getNotifications(20000);
      say("notified", heard.length, heard[0].getName(), heard[0].getParameter());
      s.execute("UNLISTEN *");
      s.execute("DO $$ BEGIN RAISE NOTICE 'noted'; END $$");
      say("warning", s.getWarnings().getMessage());
      c.setSchema("pg_catalog");
      say("schema", c.getSchema());
      c.setSchema("public");
      c.setClientInfo("ApplicationName", "by JDBC");
      ResultSet rows = s.executeQuery("SHOW application_name");
      rows.next();
      say("name", rows.getString(1), c.getClientInfo("ApplicationName"));
      ResultSet columns = c.getMetaData().getColumns(null, "public", "items", "%");
      while (columns.next()) say("about", columns.getString("COLUMN_NAME"), columns.getString("TYPE_NAME"));
    }
  }

  public static void main(String[] words) throws Exception {
    for (String mode : new String[] {"extended", "simple", "extendedForPrepared"}) {
      String url = words[0] + "&preferQueryMode=" + mode;
      try (Connection c = DriverManager.getConnection(url)) {
        prepared(c);
        if (!mode.equals("simple")) types(c);  // which writes the array in a way that the server refuses
        batches(c);
        transactions(c);
        copies(c);
        if (mode.equals("extended")) cancels(c);
        notifies(c);
      }
      if (!mode.equals("simple")) autosave(url);
      try (Connection c = DriverManager.getConnection(url); Statement s = c.createStatement()) { s.execute("DROP TABLE jdbc"); }
    }
  }
}
