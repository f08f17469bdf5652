# The stack of docker-compose.yml. COMPOSE="podman compose" takes another engine, WORKERS=4 more workers.
COMPOSE ?= docker compose
SECRETS := deploy/secrets/postgres-password deploy/secrets/store-url

.DEFAULT_GOAL := help
.PHONY: help build up up-fg down logs logs-server logs-worker restart rebuild ps clean test

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build the image
	$(COMPOSE) build

up: $(SECRETS) ## start everything in the background and wait until it takes events on localhost:50051
	$(COMPOSE) up --build --detach --wait

up-fg: $(SECRETS) ## start everything in the foreground
	$(COMPOSE) up --build

down: ## stop everything; the events stay
	$(COMPOSE) down --remove-orphans

logs: ## follow all logs
	$(COMPOSE) logs --follow --tail=100

logs-server: ## follow the logs of the servers
	$(COMPOSE) logs --follow --tail=100 server

logs-worker: ## follow the logs of the workers
	$(COMPOSE) logs --follow --tail=100 worker

restart: ## restart servers and workers
	$(COMPOSE) restart server worker

rebuild: $(SECRETS) ## build without the cache and start what changed
	$(COMPOSE) build --no-cache
	$(COMPOSE) up --detach --wait

ps: ## show what runs
	$(COMPOSE) ps

clean: ## stop everything and delete the events, the image and the passwords
	$(COMPOSE) --profile demo down --volumes --rmi local --remove-orphans
	rm -rf deploy/secrets

test: up ## send events through the running stack and wait until they are done
	$(COMPOSE) --profile demo run --rm client

# The containers read them under another user, so only the folder is closed.
deploy/secrets/postgres-password:
	mkdir -p -m 700 deploy/secrets
	od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > $@

deploy/secrets/store-url: deploy/secrets/postgres-password
	printf 'postgres://event:%s@postgres:5432/event' "$$(cat $<)" > $@
