# Measures Elixir's DynamicSupervisor with the workloads of director-bench.
# The children are empty GenServers. Prints a line per workload; writes JSON on
# request.
#
#   elixir --erl "+P 2000000" elixir_bench.exs [--workload NAME,...]
#     [--children N] [--clients N] [--repeat N] [--limit SECONDS]
#     [--json FILE]
#
# A measurement that takes longer than the limit is given up, and its row is
# left out.

defmodule Bench.Child do
  use GenServer

  def start_link(watcher), do: GenServer.start_link(__MODULE__, watcher)

  @impl true
  def init(nil), do: {:ok, nil}

  def init(watcher) do
    send(watcher, {:up, self(), Bench.now_us()})
    {:ok, watcher}
  end
end

defmodule Bench do
  @workloads ~w(start start_pipelined start_concurrent storm latency_p50
                latency_p99 list count stop memory)
  @latency_samples 1000
  @queries 10

  # -- the supervisor and its children ----------------------------------------

  # Never gives up. The period is as short as can be because the supervisor
  # walks the restarts of one period at each restart.
  defp start_supervisor do
    {:ok, sup} =
      DynamicSupervisor.start_link(
        strategy: :one_for_one,
        max_restarts: 1_000_000_000,
        max_seconds: 1
      )

    sup
  end

  defp start_children(sup, n, watcher) do
    for _ <- 1..n//1 do
      {:ok, _} = DynamicSupervisor.start_child(sup, {Bench.Child, watcher})
    end

    :ok
  end

  defp populate(n, watcher) do
    sup = start_supervisor()
    start_children(sup, n, watcher)
    sup
  end

  # Waits for n children to come up and returns their process ids.
  defp await_up(n) do
    for _ <- 1..n do
      receive do
        {:up, pid, _} -> pid
      end
    end
  end

  # -- workloads --------------------------------------------------------------

  defp unit("count"), do: "us"
  defp unit("latency_" <> _), do: "us"
  defp unit("memory"), do: "bytes/child"
  defp unit(_), do: "us/child"

  # Runs in a process of its own. Returns the measured value in its unit.
  defp run("start", n, _) do
    sup = start_supervisor()
    time(fn -> start_children(sup, n, nil) end) / n
  end

  defp run("start_pipelined", n, _) do
    sup = start_supervisor()
    time(fn -> start_pipelined(sup, n) end) / n
  end

  defp run("start_concurrent", n, clients) do
    sup = start_supervisor()
    shares = for i <- 0..(clients - 1), do: div(n + i, clients)
    time(fn -> start_concurrent(sup, shares) end) / n
  end

  defp run("storm", n, _) do
    populate(n, self())
    pids = await_up(n)

    time(fn ->
      Enum.each(pids, &Process.exit(&1, :crash))
      await_up(n)
    end) / n
  end

  defp run("latency_p50", n, _), do: latency(n, 0.50)
  defp run("latency_p99", n, _), do: latency(n, 0.99)

  defp run("list", n, _) do
    sup = populate(n, nil)
    query(fn -> ^n = length(DynamicSupervisor.which_children(sup)) end) / n
  end

  defp run("count", n, _) do
    sup = populate(n, nil)
    query(fn -> DynamicSupervisor.count_children(sup) end)
  end

  defp run("stop", n, _) do
    sup = populate(n, nil)
    time(fn -> DynamicSupervisor.stop(sup) end) / n
  end

  defp run("memory", n, _) do
    # The VM frees what the measurement before this one left with a delay.
    Process.sleep(100)
    before = :erlang.memory(:processes_used)
    sup = populate(n, nil)
    :erlang.garbage_collect(sup)
    :erlang.garbage_collect()
    (:erlang.memory(:processes_used) - before) / n
  end

  # There is no asynchronous start_child/2; this is the message it sends.
  defp start_pipelined(sup, n) do
    child =
      {{Bench.Child, :start_link, [nil]}, :permanent, 5000, :worker,
       [Bench.Child]}

    sent =
      for _ <- 1..n, do: :gen_server.send_request(sup, {:start_child, child})

    for request <- sent do
      {:reply, {:ok, _}} = :gen_server.receive_response(request, :infinity)
    end
  end

  defp start_concurrent(sup, shares) do
    shares
    |> Enum.map(&Task.async(fn -> start_children(sup, &1, nil) end))
    |> Task.await_many(:infinity)
  end

  defp latency(n, quantile) do
    sup = populate(n, self())
    victims = await_up(n) |> Enum.shuffle() |> Enum.take(@latency_samples)
    times = victims |> Enum.map(&crash_one(sup, &1)) |> Enum.sort()
    Enum.at(times, ceil(length(times) * quantile) - 1)
  end

  defp crash_one(sup, pid) do
    crashed = now_us()
    Process.exit(pid, :crash)

    up =
      receive do
        {:up, _, up} -> up
      end

    # A cheap call, so that the supervisor is idle before the next crash.
    {:error, :not_found} = DynamicSupervisor.terminate_child(sup, self())
    up - crashed
  end

  defp query(fun) do
    time(fn -> for _ <- 1..@queries, do: fun.() end) / @queries
  end

  def now_us, do: System.monotonic_time(:nanosecond) / 1000

  defp time(fun) do
    start = now_us()
    fun.()
    now_us() - start
  end

  # -- running and reporting --------------------------------------------------

  def main(args) do
    :logger.set_primary_config(:level, :none)
    options = parse(args)
    {known, unknown} = Enum.split_with(options.workload, &(&1 in @workloads))
    Enum.each(unknown, &complain("no workload #{&1} here"))
    rows = Enum.flat_map(known, &rows(&1, options))
    if options.json, do: File.write!(options.json, to_json(rows))
  end

  defp parse(args) do
    numbers = [children: 10_000, clients: 4, repeat: 5, limit: 120]
    switches = for {name, _} <- numbers, do: {name, :integer}
    switches = [workload: :string, json: :string] ++ switches

    with {given, [], []} <- OptionParser.parse(args, strict: switches),
         options = Map.new([workload: nil, json: nil] ++ numbers ++ given),
         true <- Enum.all?(numbers, fn {name, _} -> options[name] > 0 end) do
      names =
        options.workload && String.split(options.workload, ",", trim: true)

      %{options | workload: names || @workloads}
    else
      _ -> usage()
    end
  end

  defp usage do
    complain(
      "usage: elixir_bench.exs [--workload NAME,...] [--children N] " <>
        "[--clients N] [--repeat N] [--limit SECONDS] [--json FILE]"
    )

    System.halt(2)
  end

  defp complain(text), do: IO.puts(:stderr, "elixir_bench: " <> text)

  # The row of a workload as a list of one, or of none if it was given up.
  defp rows(workload, options) do
    # Loads the code involved; otherwise the first measurement pays for it.
    measure(workload, %{options | children: 10})

    case repeat(options.repeat, fn -> measure(workload, options) end, []) do
      {:failed, reason} ->
        n = options.children
        reason = inspect(reason)
        complain("#{workload}, #{n} children: left out: #{reason}")
        []

      values ->
        row = row(workload, options, Enum.sort(values))

        IO.puts(
          "#{String.pad_trailing(workload, 18)} #{row.median} #{row.unit}"
        )

        [row]
    end
  end

  defp repeat(0, _, values), do: values

  defp repeat(times, fun, values) do
    case fun.() do
      {:ok, value} -> repeat(times - 1, fun, [value | values])
      failed -> failed
    end
  end

  # Measures once, in a process of its own, and leaves nothing behind.
  defp measure(workload, %{children: n, clients: clients, limit: limit}) do
    before = Process.list()

    {pid, ref} =
      spawn_monitor(fn -> exit({:value, run(workload, n, clients)}) end)

    result =
      receive do
        {:DOWN, ^ref, :process, ^pid, {:value, value}} -> {:ok, value}
        {:DOWN, ^ref, :process, ^pid, reason} -> {:failed, reason}
      after
        limit * 1000 ->
          Process.demonitor(ref, [:flush])
          {:failed, "over the time limit"}
      end

    kill_all_but(before)
    result
  end

  # Again and again, as a supervisor may start children until it is dead itself.
  defp kill_all_but(before) do
    new = Process.list() -- before

    if new != [] do
      Enum.each(new, &Process.exit(&1, :kill))
      Process.sleep(1)
      kill_all_but(before)
    end
  end

  defp row(workload, options, sorted) do
    count = length(sorted)
    low = Enum.at(sorted, div(count - 1, 2))
    high = Enum.at(sorted, div(count, 2))

    %{
      workload: workload,
      children: options.children,
      clients: options.clients,
      unit: unit(workload),
      median: Float.round((low + high) / 2, 3),
      min: Float.round(hd(sorted), 3),
      max: Float.round(List.last(sorted), 3)
    }
  end

  defp to_json(rows) do
    objects =
      for row <- rows do
        ~s(  {"workload": "#{row.workload}", "table": "dynamic", ) <>
          ~s("children": #{row.children}, "clients": #{row.clients}, ) <>
          ~s("system": "elixir", "unit": "#{row.unit}", ) <>
          ~s("median": #{row.median}, "min": #{row.min}, "max": #{row.max}})
      end

    "[\n" <> Enum.join(objects, ",\n") <> "\n]\n"
  end
end

Bench.main(System.argv())
