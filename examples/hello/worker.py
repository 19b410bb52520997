"""A worker with one workflow. Run it: `corral worker examples.hello.worker:worker`."""

import corral

worker = corral.Worker("hello-1", admission=corral.Fixed(4))


@worker.workflow("greet")
async def greet(ctx: corral.Context, name: str) -> str:
    await ctx.emit_event("progress", {"greeting": name})
    return f"Hello, {name}!"


if __name__ == "__main__":
    worker.run_forever()
