#!/usr/bin/env escript
%%! +P 2000000
%% Measures OTP's supervisor with the workloads of director-bench, once as
%% one_for_one and once as simple_one_for_one. The children are empty
%% gen_servers. Prints a line per workload; writes JSON on request.
%%
%%   escript otp_bench.erl [--workload NAME,...] [--table NAME,...]
%%     [--children N] [--clients N] [--repeat N] [--limit SECONDS]
%%     [--json FILE]
%%
%% A measurement that takes longer than the limit is given up, and its row is
%% left out.
-module(otp_bench).
-mode(compile).

%% Called by supervisor and by gen_server.
-export([main/1, start_child/1, init/1, handle_call/3, handle_cast/2]).

-define(LATENCY_SAMPLES, 1000).
-define(QUERIES, 10).

%% -- the supervisor and its children ------------------------------------------

%% Never gives up. The period is as short as can be because the supervisor
%% walks the restarts of one period at each restart.
init({supervisor, Table}) ->
    Flags = #{strategy => Table, intensity => 1 bsl 30, period => 1},
    Template = [spec(child, []) || Table =:= simple_one_for_one],
    {ok, {Flags, Template}};
init({child, nobody}) ->
    {ok, nobody};
init({child, Watcher}) ->
    Watcher ! {up, self(), now_us()},
    {ok, Watcher}.

handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.

start_child(Watcher) -> gen_server:start_link(?MODULE, {child, Watcher}, []).

spec(Id, Args) -> #{id => Id, start => {?MODULE, start_child, Args}}.

start_supervisor(Table) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {supervisor, Table}),
    Sup.

%% What supervisor:start_child/2 takes as second argument.
request(one_for_one, Id, Watcher) -> spec(Id, [Watcher]);
request(simple_one_for_one, _, Watcher) -> [Watcher].

start_children(Sup, Table, Ids, Watcher) ->
    Start = fun(Id) ->
        {ok, _} = supervisor:start_child(Sup, request(Table, Id, Watcher))
    end,
    lists:foreach(Start, Ids).

populate(Table, N, Watcher) ->
    Sup = start_supervisor(Table),
    start_children(Sup, Table, lists:seq(1, N), Watcher),
    Sup.

%% Waits for N children to come up and returns their process ids.
await_up(N) -> [receive {up, Pid, _} -> Pid end || _ <- lists:seq(1, N)].

%% -- workloads ----------------------------------------------------------------

unit("count") -> "us";
unit("latency_" ++ _) -> "us";
unit("memory") -> "bytes/child";
unit(_) -> "us/child".

workloads() ->
    ["start", "start_pipelined", "start_concurrent", "storm", "latency_p50",
     "latency_p99", "list", "count", "stop", "memory"].

%% Runs in a process of its own. Returns the measured value in its unit.
run("start", Table, N, _) ->
    Sup = start_supervisor(Table),
    Ids = lists:seq(1, N),
    time(fun() -> start_children(Sup, Table, Ids, nobody) end) / N;
run("start_pipelined", Table, N, _) ->
    Sup = start_supervisor(Table),
    Ids = lists:seq(1, N),
    time(fun() -> start_pipelined(Sup, Table, Ids) end) / N;
run("start_concurrent", Table, N, Clients) ->
    Sup = start_supervisor(Table),
    Shares = [lists:seq(I, N, Clients) || I <- lists:seq(1, Clients)],
    time(fun() -> start_concurrent(Sup, Table, Shares) end) / N;
run("storm", Table, N, _) ->
    populate(Table, N, self()),
    Pids = await_up(N),
    Crash = fun() ->
        lists:foreach(fun(Pid) -> exit(Pid, crash) end, Pids),
        await_up(N)
    end,
    time(Crash) / N;
run("latency_p50", Table, N, _) ->
    latency(Table, N, 0.50);
run("latency_p99", Table, N, _) ->
    latency(Table, N, 0.99);
run("list", Table, N, _) ->
    Sup = populate(Table, N, nobody),
    query(fun() -> N = length(supervisor:which_children(Sup)) end) / N;
run("count", Table, N, _) ->
    Sup = populate(Table, N, nobody),
    query(fun() -> supervisor:count_children(Sup) end);
run("stop", Table, N, _) ->
    Sup = populate(Table, N, nobody),
    time(fun() -> gen_server:stop(Sup) end) / N;
run("memory", Table, N, _) ->
    %% The VM frees what the measurement before this one left with a delay.
    timer:sleep(100),
    Before = erlang:memory(processes_used),
    Sup = populate(Table, N, nobody),
    garbage_collect(Sup),
    garbage_collect(),
    (erlang:memory(processes_used) - Before) / N.

%% There is no asynchronous start_child; this is the message it sends.
start_pipelined(Sup, Table, Ids) ->
    Send = fun(Id) ->
        Request = {start_child, request(Table, Id, nobody)},
        gen_server:send_request(Sup, Request)
    end,
    Collect = fun(Sent) ->
        {reply, {ok, _}} = gen_server:receive_response(Sent, infinity)
    end,
    lists:foreach(Collect, lists:map(Send, Ids)).

start_concurrent(Sup, Table, Shares) ->
    Client = fun(Ids) ->
        spawn_monitor(fun() -> start_children(Sup, Table, Ids, nobody) end)
    end,
    Await = fun({Pid, Ref}) ->
        receive {'DOWN', Ref, process, Pid, normal} -> ok end
    end,
    lists:foreach(Await, lists:map(Client, Shares)).

latency(Table, N, Quantile) ->
    Sup = populate(Table, N, self()),
    Victims = lists:sublist(shuffle(await_up(N)), ?LATENCY_SAMPLES),
    Times = lists:sort([crash_one(Sup, Pid) || Pid <- Victims]),
    lists:nth(ceil(length(Times) * Quantile), Times).

crash_one(Sup, Pid) ->
    Crashed = now_us(),
    exit(Pid, crash),
    Up = receive {up, _, When} -> When end,
    %% A cheap call, so that the supervisor is idle before the next crash.
    {error, not_found} = supervisor:terminate_child(Sup, self()),
    Up - Crashed.

shuffle(List) ->
    [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

query(Fun) ->
    Repeat = fun() -> [Fun() || _ <- lists:seq(1, ?QUERIES)] end,
    time(Repeat) / ?QUERIES.

now_us() -> erlang:monotonic_time(nanosecond) / 1000.

time(Fun) ->
    Start = now_us(),
    Fun(),
    now_us() - Start.

%% -- running and reporting ----------------------------------------------------

main(Args) ->
    logger:set_primary_config(level, none),
    Defaults = #{workload => workloads(),
                 table => ["one_for_one", "simple_one_for_one"],
                 children => 10000, clients => 4, repeat => 5, limit => 120,
                 json => none},
    Options = #{table := Tables, workload := Workloads} = parse(Args, Defaults),
    [complain("no workload ~s here", [W]) || W <- Workloads -- workloads()],
    Rows = [Row || Table <- Tables, Workload <- Workloads,
                   lists:member(Workload, workloads()),
                   Row <- rows(Workload, list_to_atom(Table), Options)],
    write_json(maps:get(json, Options), Rows).

parse([], Options) -> Options;
parse(["--workload", List | Rest], Options) ->
    parse(Rest, Options#{workload => string:lexemes(List, ",")});
parse(["--table", List | Rest], Options) ->
    parse(Rest, Options#{table => string:lexemes(List, ",")});
parse(["--json", File | Rest], Options) ->
    parse(Rest, Options#{json => File});
parse(["--" ++ Name, Number | Rest], Options)
  when Name =:= "children"; Name =:= "clients"; Name =:= "repeat";
       Name =:= "limit" ->
    case string:to_integer(Number) of
        {N, ""} when N > 0 -> parse(Rest, Options#{list_to_atom(Name) => N});
        _ -> usage()
    end;
parse(_, _) -> usage().

usage() ->
    complain("usage: otp_bench.erl [--workload NAME,...] [--table NAME,...] "
             "[--children N] [--clients N] [--repeat N] [--limit SECONDS] "
             "[--json FILE]", []),
    halt(2).

complain(Format, Args) ->
    io:format(standard_error, "otp_bench: " ++ Format ++ "~n", Args).

%% The row of a workload as a list of one, or of none if it was given up.
rows(Workload, Table, Options = #{children := N, repeat := Repeat}) ->
    %% Loads the code involved; otherwise the first measurement pays for it.
    measure(Workload, Table, Options#{children := 10}),
    case repeat(Repeat, fun() -> measure(Workload, Table, Options) end, []) of
        {failed, Reason} ->
            complain("~s, ~s, ~b children: left out: ~p",
                     [Workload, Table, N, Reason]),
            [];
        Values ->
            Row = row(Workload, Table, Options, lists:sort(Values)),
            io:format("~-18s ~-18s ~12.3f ~s~n",
                      [Table, Workload, maps:get(median, Row), unit(Workload)]),
            [Row]
    end.

repeat(0, _, Values) -> Values;
repeat(Times, Fun, Values) ->
    case Fun() of
        {ok, Value} -> repeat(Times - 1, Fun, [Value | Values]);
        Failed -> Failed
    end.

%% Measures once, in a process of its own, and leaves nothing behind.
measure(Workload, Table, Options) ->
    #{children := N, clients := Clients, limit := Limit} = Options,
    Before = processes(),
    {Pid, Ref} = spawn_monitor(fun() ->
        exit({value, run(Workload, Table, N, Clients)})
    end),
    Result = receive
        {'DOWN', Ref, process, Pid, {value, Value}} -> {ok, Value};
        {'DOWN', Ref, process, Pid, Reason} -> {failed, Reason}
    after Limit * 1000 ->
        demonitor(Ref, [flush]),
        {failed, "over the time limit"}
    end,
    kill_all_but(Before),
    Result.

%% Again and again, as a supervisor may start children until it is dead itself.
kill_all_but(Before) ->
    case processes() -- Before of
        [] ->
            ok;
        New ->
            lists:foreach(fun(Pid) -> exit(Pid, kill) end, New),
            timer:sleep(1),
            kill_all_but(Before)
    end.

row(Workload, Table, #{children := N, clients := Clients}, Sorted) ->
    #{workload => Workload, table => Table, children => N, clients => Clients,
      median => median(Sorted), min => hd(Sorted), max => lists:last(Sorted)}.

median(Sorted) ->
    Length = length(Sorted),
    Low = lists:nth((Length + 1) div 2, Sorted),
    High = lists:nth(Length div 2 + 1, Sorted),
    (Low + High) / 2.

write_json(none, _) -> ok;
write_json(File, Rows) ->
    Json = ["[\n", lists:join(",\n", lists:map(fun to_json/1, Rows)), "\n]\n"],
    ok = file:write_file(File, Json).

to_json(#{workload := Workload, table := Table, children := N,
          clients := Clients, median := Median, min := Min, max := Max}) ->
    io_lib:format("  {\"workload\": \"~s\", \"table\": \"~s\", "
                  "\"children\": ~b, \"clients\": ~b, \"system\": \"otp\", "
                  "\"unit\": \"~s\", \"median\": ~.3f, \"min\": ~.3f, "
                  "\"max\": ~.3f}",
                  [Workload, Table, N, Clients, unit(Workload), Median, Min,
                   Max]).
