# What a Ruby program does with ruby-pg; prints what it sees.
require 'pg'

def fails(what)
  yield
  puts "#{what}: no error"
rescue PG::Error => error
  puts "#{what}: #{error.result&.error_field(PG::Result::PG_DIAG_SQLSTATE)} #{error.message.lines.first}"
end

connection = PG.connect(sslmode: 'disable')
connection.set_notice_processor { |text| puts "notice: #{text}" }
p connection.exec('SELECT id, name, price FROM items WHERE id < 4 ORDER BY id').values
p connection.exec_params('SELECT $1::int + 1, $2::text, $3', [41, 'ä ☃', nil]).values
connection.type_map_for_results = PG::BasicTypeMapForResults.new(connection)
p connection.exec_params('SELECT $1::int, true, 1.5::float8, NULL, ARRAY[1, 2]', [7]).values
connection.type_map_for_results = PG::TypeMapAllStrings.new
p connection.exec_params("SELECT '\\x00ff'::bytea, 5::int8", [], 1).values

connection.prepare('pick', 'SELECT name FROM items WHERE id = $1')
p (1..6).map { |id| connection.exec_prepared('pick', [id]).getvalue(0, 0) }
p connection.describe_prepared('pick').nparams
fails('again') { connection.prepare('pick', 'SELECT 1') }
fails('missing') { connection.exec_prepared('nothing', []) }
connection.exec('DEALLOCATE pick')
fails('gone') { connection.exec_prepared('pick', [1]) }
fails('division') { connection.exec('SELECT 1/0') }
fails('syntax') { connection.exec('SELEC') }

connection.exec("DO $$ BEGIN RAISE NOTICE 'from ruby'; END $$")
connection.exec('CREATE TABLE ruby (id int PRIMARY KEY, body text)')
connection.copy_data('COPY ruby FROM STDIN') { 500.times { |i| connection.put_copy_data("#{i}\trow #{i}\n") } }
p connection.exec('SELECT count(*), sum(id) FROM ruby').values
fails('copy of doubles') { connection.copy_data('COPY ruby FROM STDIN') { connection.put_copy_data("1\tagain\n") } }
begin
  connection.copy_data('COPY ruby FROM STDIN') { raise 'changed its mind' }
rescue RuntimeError => error
  puts error.message
end
lines = []
connection.copy_data('COPY (SELECT * FROM ruby WHERE id < 5 ORDER BY id) TO STDOUT') { while (line = connection.get_copy_data) do lines << line end }
p lines
connection.copy_data('COPY ruby FROM STDIN', PG::TextEncoder::CopyRow.new) { connection.put_copy_data([1000, "tab\tand\nline"]) }
p connection.exec('SELECT body FROM ruby WHERE id = 1000').values

connection.transaction { |c| c.exec("INSERT INTO ruby VALUES (2000, 'kept')") }
fails('in a transaction') { connection.transaction { |c| c.exec("INSERT INTO ruby VALUES (2001, 'lost')"); c.exec('SELECT 1/0') } }
p connection.exec('SELECT id FROM ruby WHERE id >= 2000').values

connection.send_query('SELECT 1; SELECT 2, 3; SELECT 1/0; SELECT 4')
while (result = connection.get_result)
  p [result.res_status(result.result_status), result.values]
end
connection.send_query_params("SELECT i FROM generate_series(1, $1::int) i", [1000])
connection.set_single_row_mode
sum = 0
connection.get_result.stream_each { |row| sum += row['i'].to_i }
p sum
connection.get_last_result

connection.enter_pipeline_mode
20.times { |i| connection.send_query_params('SELECT $1::int * 2', [i]) }
connection.send_query_params('SELECT 1/0', [])
connection.send_query_params('SELECT 1', [])
connection.pipeline_sync
connection.send_query_params("SELECT 'after'", [])
connection.pipeline_sync
states = []
until states.count('PGRES_PIPELINE_SYNC') == 2
  result = connection.get_result
  next if result.nil?
  states << (result.ntuples == 1 ? result.getvalue(0, 0) : result.res_status(result.result_status))
end
p states
connection.exit_pipeline_mode

connection.send_query('SELECT pg_sleep(60)')
started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
fails('cancelled') do
  until (ended = IO.select([connection.socket_io], nil, nil, 0.1))
    connection.cancel
    break if Process.clock_gettime(Process::CLOCK_MONOTONIC) - started > 30
  end
  connection.get_last_result
end
connection.exec('LISTEN ruby_bell')
connection.exec("NOTIFY ruby_bell, 'ding'")
connection.wait_for_notify(20) { |channel, _, payload| p [channel, payload] }
connection.exec('UNLISTEN *')
connection.internal_encoding = 'UTF-8'
connection.set_client_encoding('LATIN1')
p connection.exec("SELECT 'ä', length('ä')".encode('ISO-8859-1')).getvalue(0, 0).encode('UTF-8')
connection.set_client_encoding('UTF8')
connection.exec('DROP TABLE ruby')
connection.reset
p connection.exec("SELECT 'after a reset'").values
connection.close
